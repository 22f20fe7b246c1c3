package larder

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// The parameters of a URL that are the Store's own, whatever the backend: all processes that share a
// place should agree on how they wait for each other, and on how much it holds.
const (
	leaseParameter = "lease"
	sizeParameter  = "max_size"
)

// minTTL of a URL: with less, one slow request passes for a death.
const minTTL = 100 * time.Millisecond

// takeOwn takes the Store's own parameters out of a URL, and into o: lease=none switches leases off, lease=20s
// is their ttl, max_size=10GiB a limit. The backend reports what is wrong with the rest of the URL.
func takeOwn(rawURL string, o *Options) (string, error) {
	if backend.SchemeOf(rawURL) == "" {
		return rawURL, nil
	}
	head, query, _ := strings.Cut(rawURL, "?")
	query, fragment, fragmented := strings.Cut(query, "#")
	own := map[string]func(string) error{leaseParameter: o.setLease, sizeParameter: o.setSize}
	ours := map[string][]string{}
	var rest []string
	for _, parameter := range strings.Split(query, "&") {
		name, value, ok := strings.Cut(parameter, "=")
		if ok && own[name] != nil {
			ours[name] = append(ours[name], value)
		} else {
			rest = append(rest, parameter)
		}
	}
	if len(ours) == 0 {
		return rawURL, nil
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if len(ours[name]) > 1 {
			return "", backend.InvalidURL("URL parameter %q is given %d times", name, len(ours[name]))
		}
		if err := own[name](ours[name][0]); err != nil {
			return "", err
		}
	}
	if query = strings.Join(rest, "&"); query != "" {
		head += "?" + query
	}
	if fragmented {
		head += "#" + fragment
	}
	return head, nil
}

// setSize sets the limit of what the store keeps.
func (o *Options) setSize(value string) error {
	size, err := backend.ParseSize(value)
	if err != nil || size == 0 {
		return backend.InvalidURL("URL parameter %s: write how many bytes of values the store keeps, such as 10GiB", sizeParameter)
	}
	o.MaxSize = size
	return nil
}

func (o *Options) setLease(value string) error {
	if o.NoLease = value == "none"; o.NoLease {
		return nil
	}
	ttl, err := time.ParseDuration(value)
	if err != nil || ttl < minTTL {
		return backend.InvalidURL("URL parameter %s: write none, or for how long a process that fell silent is waited for: a duration of at least %v, such as 20s", leaseParameter, minTTL)
	}
	o.LeaseTTL = ttl
	return nil
}

// notNear refuses a store that is near to another one: by itself its marks would be read as values, and what waits in it be missed.
func notNear(ctx context.Context, b Backend) error {
	if _, can := backend.As[backend.MatchDeleter](b); !can || backend.LimitsOf(b).CostlyRequests {
		return nil // it cannot be one
	}
	if far := backend.NearTo(ctx, b); far != "" {
		return backend.InvalidURL("this is the near store of %s; name both, as in --store NEAR --store FAR or tier:?near=NEAR&far=FAR", far)
	}
	return nil
}
