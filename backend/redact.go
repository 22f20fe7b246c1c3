package backend

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// secretName matches parameters whose values are never shown. It is compiled when it is first
// needed: a command that does one thing in 2 ms would pay for it at every start.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)pass|pwd|secret|token|key|sig|sas|cred|auth`)
})

// torn reports whether a password with one of / ? # in it, not written as %XX, has torn
// a URL apart: then part of the password passes for a port, the rest for a path, a
// parameter or a fragment, and the @ is in there.
func torn(u *url.URL) bool {
	return u.User == nil && u.Port() != "" && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@")
}

// Redact returns a URL fit for errors and logs: without password, and with the
// values of parameters that may be secrets replaced, also in URLs that are values of
// parameters. What does not parse, or may hold a password in another place, is
// shortened to its scheme. What is no URL is returned as it is.
func Redact(rawURL string) string {
	scheme := SchemeOf(rawURL)
	if scheme == "" {
		return rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil || torn(u) || strings.Contains(u.Opaque, "@") {
		return scheme + ":…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for name, values := range q {
		for i := range values {
			if values[i] = Redact(values[i]); secretName().MatchString(name) {
				values[i] = "redacted"
			}
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// redactText keeps of a parse error only what cannot hold a secret: the words
// before the first quote.
func redactText(s string) string {
	head, _, cut := strings.Cut(s, `"`)
	if !cut {
		return s
	}
	return strings.TrimSpace(head)
}
