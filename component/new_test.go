package component_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

type detect struct{ Threshold float64 }

type window[T any] struct{ Size T }

const here = "github.com/larder-store/larder/component_test"

func TestNew(t *testing.T) {
	in := component.New("in", "1", nil)
	inputs := []component.Component{in}
	c := component.New("t", "2", 3, inputs...)
	inputs[0] = nil // the caller's slice is the caller's
	if c.Type() != "t" || c.Version() != "2" || c.Parameters() != 3 || len(c.Inputs()) != 1 || c.Inputs()[0] != in {
		t.Errorf("New = %q, %q, %v, %v", c.Type(), c.Version(), c.Parameters(), c.Inputs())
	}
	if _, ok := c.(component.Timed); ok {
		t.Error("New names a moment, want none")
	}
}

func TestOf(t *testing.T) {
	in := component.New("in", "1", nil)
	pointer := &detect{-20}
	for _, tt := range []struct {
		c    component.Component
		want string
	}{
		{component.Of(detect{-20}, "1", in), here + ".detect"},
		{component.Of(pointer, "1", in), here + ".detect"},
		{component.Of(&pointer, "1", in), here + ".detect"},
		{component.Of(window[int]{}, "1", in), here + ".window[int]"},
		{component.Of(window[*detect]{}, "1", in), here + ".window[*" + here + ".detect]"},
		{component.Of(window[any]{}, "1", in), here + ".window[interface {}]"},
		{component.Of(time.Second, "1", in), "time.Duration"},
		{component.Of((*detect)(nil), "1", in), here + ".detect"},
		{component.Of(any(nil), "1", in), ""},
		{component.Of(any(detect{-20}), "1", in), ""}, // it may have been declared inside a function
		{component.Of(new(error), "1", in), ""},
		{component.Of(5, "1", in), ""},
		{component.Of("text", "1", in), ""},
		{component.Of(map[string]any{}, "1", in), ""},
		{component.Of([]detect{}, "1", in), ""},
		{component.Of(struct{ N int }{}, "1", in), ""},
		{component.Of(func() {}, "1", in), ""},
	} {
		v := tt.c.Parameters()
		if tt.c.Type() != tt.want {
			t.Errorf("Of(%T).Type() = %q, want %q", v, tt.c.Type(), tt.want)
		}
		if tt.c.Version() != "1" || len(tt.c.Inputs()) != 1 || tt.c.Inputs()[0] != in {
			t.Errorf("Of(%T) = %q, %v", v, tt.c.Version(), tt.c.Inputs())
		}
	}
	if got := component.Of(pointer, "1").Parameters(); got != any(pointer) {
		t.Errorf("Parameters() = %v, want the value itself", got)
	}
}

// The package of every command is "main"; two commands must not share a type.
func TestOfInCommand(t *testing.T) {
	const path = "github.com/larder-store/larder/component/testdata/command"
	for _, tt := range []struct{ run, want string }{
		{"./testdata/command", "\"" + path + ".options\"\n\"" + path + ".list[" + path + ".options]\"\n"},
		{filepath.Join("testdata", "command", "main.go"), "\"\"\n\"\"\n"}, // loose files have no path
	} {
		cmd := exec.CommandContext(t.Context(), "go", "run", tt.run)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "GOARCH=") // the machine's own, also where this test is emulated
		out, err := cmd.Output()
		if err != nil || string(out) != tt.want {
			t.Errorf("go run %s = %s, %v, want %s", tt.run, out, err, tt.want)
		}
	}
}

func TestQualify(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		{"main.T", "example.org/cmd", "example.org/cmd.T"},
		{"main.T", "", ""},
		{"example.org/lib.List[main.T]", "example.org/cmd", "example.org/lib.List[example.org/cmd.T]"},
		{"example.org/lib.List[main.T]", "", ""},
		{"example.org/lib.Map[string,[]main.T]", "c", "example.org/lib.Map[string,[]c.T]"},
		{"example.org/main.T", "c", "example.org/main.T"},
		{"example.org/domain.T", "", "example.org/domain.T"},
		{"domain.T", "", "domain.T"},
		{"main.List[example.org/main.T,main.T]", "a/main.b", "a/main.b.List[example.org/main.T,a/main.b.T]"},
	} {
		if got := component.Qualify(tt.name, tt.command); got != tt.want {
			t.Errorf("Qualify(%q, %q) = %q, want %q", tt.name, tt.command, got, tt.want)
		}
	}
}

func TestWithAsOf(t *testing.T) {
	c := component.New("t", "1", nil)
	now := time.Now() // with a monotonic clock reading
	dated := component.WithAsOf(c, now)
	timed, ok := dated.(component.Timed)
	if !ok || !timed.AsOf().Equal(now) || timed.Type() != "t" {
		t.Fatalf("WithAsOf = %v", dated)
	}
	if again := component.WithAsOf(c, now.In(time.FixedZone("", 3600))); again != dated {
		t.Error("WithAsOf of one instant in two zones gives components that are not equal")
	}
	later := component.WithAsOf(dated, now.Add(1))
	if got := later.(component.Timed).AsOf(); !got.Equal(now.Add(1)) {
		t.Errorf("WithAsOf twice = %v, want the second moment", got)
	}
	if none := component.WithAsOf(dated, time.Time{}).(component.Timed).AsOf(); !none.IsZero() {
		t.Errorf("WithAsOf of the zero time = %v, want none", none)
	}
	if component.WithAsOf(nil, now) != nil {
		t.Error("WithAsOf(nil) is a component, want nil")
	}
}

func TestRef(t *testing.T) {
	c := component.Ref("abc")
	if key, ok := component.KnownKey(c); key != "abc" || !ok {
		t.Errorf("KnownKey(Ref) = %q, %v", key, ok)
	}
	if c != component.Ref("abc") || c == component.Ref("abd") {
		t.Error("Refs are equal otherwise than their keys are")
	}
	for _, c := range []component.Component{nil, component.New(component.RefType, "", "abc"), component.WithAsOf(c, time.Now())} {
		if key, ok := component.KnownKey(c); ok {
			t.Errorf("KnownKey(%v) = %q, want none", c, key)
		}
	}
	// Key generators that know nothing of Ref see a component of its own.
	if c.Type() != component.RefType || c.Version() != "" || c.Parameters() != "abc" || c.Inputs() != nil {
		t.Errorf("Ref answers %q, %q, %v, %v", c.Type(), c.Version(), c.Parameters(), c.Inputs())
	}
}

// The contract imports the standard library alone.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); len(got) != 1 || got[0] != "github.com/larder-store/larder/component" {
		t.Errorf("imports beyond the standard library: %v", got)
	}
}
