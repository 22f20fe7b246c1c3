package shelve_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-store/larder/backend/shelve"
)

// TestDoor: readers share, a writer waits for all of them and they hear him knock; who
// comes after him, even a reader, comes in after him.
func TestDoor(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d := shelve.NewDoor(filepath.Join(t.TempDir(), "file"))
	enter := func(shared bool) (knocked func() bool, leave func()) {
		t.Helper()
		knocked, leave, err := d.Enter(ctx, shared)
		if err != nil {
			t.Fatal(err)
		}
		return knocked, leave
	}
	knockedA, leaveA := enter(true)
	knockedB, leaveB := enter(true)
	if knockedA() || knockedB() {
		t.Error("nobody waits, and a reader hears someone knock")
	}

	order := make(chan string)
	go func() {
		knocked, leave, err := d.Enter(ctx, false)
		if err != nil {
			t.Error(err)
			return
		}
		order <- "writer"
		for !knocked() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		order <- "knock"
		leave()
	}()
	for !knockedA() || !knockedB() {
		if ctx.Err() != nil {
			t.Fatal("a writer waits, and the readers do not hear him knock")
		}
		time.Sleep(time.Millisecond)
	}
	go func() {
		_, leave, err := d.Enter(ctx, true)
		if err != nil {
			t.Error(err)
			return
		}
		order <- "reader"
		leave()
	}()
	leaveA()
	select {
	case who := <-order:
		t.Errorf("a %s came in beside a reader", who)
	case <-time.After(50 * time.Millisecond):
	}
	leaveB()
	for _, want := range []string{"writer", "knock", "reader"} {
		select {
		case got := <-order:
			if got != want {
				t.Errorf("then came the %s, want the %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("the %s never came", want)
		}
	}
}
