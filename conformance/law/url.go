package law

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/larder-store/larder/backend"
)

// How a place is named by a URL.
var urlLaws = []Law{
	{
		Name: "url/unknown-parameter", Needs: []Need{URL}, Fn: unknownParameter,
		Rule: "A URL with a parameter that the backend does not know is an error that names it.",
	},
	{
		Name: "url/credentials", Needs: []Need{URL}, Fn: noCredentials,
		Rule: "No password, token or key of a URL appears in an error or in what a backend says of itself.",
	},
}

// withQuery returns loc with one more parameter.
func withQuery(loc, name, value string) string {
	mark := "?"
	if strings.Contains(loc, "?") {
		mark = "&"
	}
	return loc + mark + name + "=" + url.QueryEscape(value)
}

func unknownParameter(ctx context.Context, e *Env) error {
	const name = "no_such_parameter"
	b, err := e.cfg.Open(ctx, withQuery(e.loc, name, "1"))
	if err == nil {
		b.Close()
		return fmt.Errorf("Open with the parameter %s succeeds", name)
	}
	if !strings.Contains(err.Error(), name) {
		return fmt.Errorf("Open with the parameter %s = %q, which does not name it", name, err)
	}
	return nil
}

func noCredentials(ctx context.Context, e *Env) error {
	const secret = "hunter2-in-plain-sight"
	u, err := url.Parse(e.loc)
	if err != nil {
		return err
	}
	withUser := *u
	withUser.User = url.UserPassword("somebody", secret)
	broken := strings.Replace(withUser.String(), secret, secret+"%zz", 1)
	for _, loc := range []string{
		withUser.String(), broken, withQuery(withUser.String(), "no_such_parameter", "1"),
		withQuery(e.loc, "password", secret), withQuery(e.loc, "secret_key", secret), withQuery(e.loc, "token", secret),
	} {
		b, err := e.cfg.Open(ctx, loc)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				return fmt.Errorf("Open of a URL with a secret shows it: %s", strings.ReplaceAll(err.Error(), secret, "***"))
			}
			continue
		}
		said := ""
		if s, ok := b.(fmt.Stringer); ok {
			said = s.String()
		}
		tell := func(ctx context.Context, key backend.Key) {
			for _, c := range calls(b, key, e.key("s", "absent")) {
				said += fmt.Sprint(c.do(ctx))
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		tell(ended, e.key("s", "absent"))
		for _, key := range []backend.Key{e.key("s", "absent"), {Shelf: e.Shelf("s"), Name: "Not/Valid"}} {
			for _, c := range calls(b, key, key)[:2] {
				said += fmt.Sprint(c.do(ctx))
			}
		}
		b.Close()
		tell(ctx, e.key("s", "absent"))
		if strings.Contains(said, secret) {
			return fmt.Errorf("a backend, or its error, shows the secret of its URL")
		}
	}
	return nil
}
