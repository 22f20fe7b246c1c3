package tier

import "github.com/larder-store/larder/backend"

// able returns b with those abilities that not every pair of stores has.
func (b *Backend) able() backend.Backend {
	leasing := b.far // the lease that all machines see
	if b.overlays() {
		leasing = b.near // the one that is there while the far store is away
	}
	l, leases := backend.As[backend.Leaser](leasing)
	f, finds := backend.As[backend.Finder](b.far)
	finds = finds && !b.overlays() // its index does not know what is near
	switch {
	case leases && finds:
		return &leaserFinder{b, l, f}
	case leases:
		return &leaser{b, l}
	case finds:
		return &finder{b, f}
	}
	return b
}

type (
	leaser struct {
		*Backend
		backend.Leaser
	}
	finder struct {
		*Backend
		backend.Finder
	}
	leaserFinder struct {
		*Backend
		backend.Leaser
		backend.Finder
	}
)
