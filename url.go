package larder

import (
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// leaseParameter is the one parameter of a URL that is the Store's own, whatever the
// backend: all processes that share a place should agree on how they wait for each other.
const leaseParameter = "lease"

// minTTL of a URL: with less, one slow request passes for a death.
const minTTL = 100 * time.Millisecond

// takeLease takes the parameter lease out of a URL, and into o: "none" switches leases off,
// a duration is their ttl. The backend reports what is wrong with the rest of the URL.
func takeLease(rawURL string, o *Options) (string, error) {
	if backend.SchemeOf(rawURL) == "" {
		return rawURL, nil
	}
	head, query, _ := strings.Cut(rawURL, "?")
	query, fragment, fragmented := strings.Cut(query, "#")
	var rest, ours []string
	for _, parameter := range strings.Split(query, "&") {
		if value, ok := strings.CutPrefix(parameter, leaseParameter+"="); ok {
			ours = append(ours, value)
		} else {
			rest = append(rest, parameter)
		}
	}
	if len(ours) == 0 {
		return rawURL, nil
	}
	if err := o.setLease(ours); err != nil {
		return "", err
	}
	if query = strings.Join(rest, "&"); query != "" {
		head += "?" + query
	}
	if fragmented {
		head += "#" + fragment
	}
	return head, nil
}

func (o *Options) setLease(values []string) error {
	if len(values) > 1 {
		return backend.InvalidURL("URL parameter %q is given %d times", leaseParameter, len(values))
	}
	if o.NoLease = values[0] == "none"; o.NoLease {
		return nil
	}
	ttl, err := time.ParseDuration(values[0])
	if err != nil || ttl < minTTL {
		return backend.InvalidURL("URL parameter %s: write none, or for how long a process that fell silent is waited for: a duration of at least %v, such as 20s", leaseParameter, minTTL)
	}
	o.LeaseTTL = ttl
	return nil
}
