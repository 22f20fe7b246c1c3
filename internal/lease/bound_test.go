package lease_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/lease"
	"github.com/larder-store/larder/internal/sums"
)

// What an object says about its ttl is bounded by an hour: neither a huge ttl nor one that
// overflows makes a lease last for ever, or end at once.
func TestTTLOfAnObjectIsBounded(t *testing.T) {
	for _, ms := range []int64{2 * time.Hour.Milliseconds(), math.MaxInt64, math.MaxInt64/1_000_000 + 1} {
		t.Run(fmt.Sprint(ms), func(t *testing.T) {
			ctx := context.Background()
			p, a, b, watch := pair(t)
			acquire(t, a)
			for entry, err := range backend.Scan(ctx, p.Backend, lease.Shelf, backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				body := fmt.Appendf(nil, `{"holder":"mallory","epoch":1,"ttl_ms":%d,"nonce":"x"}`, ms)
				opts := backend.PutOptions{Size: int64(len(body))}
				opts.Digest, opts.Sum = sums.Of(body)
				if _, err := p.Backend.Put(ctx, entry.Key, bytes.NewReader(body), opts); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, b)
			watch.t = watch.t.Add(time.Hour - time.Second)
			refused(t, b)
			watch.t = watch.t.Add(2 * time.Second)
			acquire(t, b)
		})
	}
}

func TestTTLOfAClientIsBounded(t *testing.T) {
	p := &plain{Backend: mem.New(nil)}
	if got := lease.New(p, 5*time.Hour).TTL(); got != time.Hour {
		t.Errorf("TTL = %v, want %v", got, time.Hour)
	}
}
