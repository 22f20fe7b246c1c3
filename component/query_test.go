package component_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

var (
	beyond  = new(big.Int).Lsh(big.NewInt(1), 70)
	noon    = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	example = component.Description{
		Key: "ab12", Type: "lab/fit", Version: "v3", Inputs: []string{"cd", "ef"}, Stored: noon,
		Parameters: map[any]any{
			"tau": 0.02, "n": int64(5), "big": uint64(math.MaxUint64), "huge": beyond, "name": "Cortex", "bytes": []byte("b"),
			"on": true, "none": nil, "nan": math.NaN(), "inf": math.Inf(1), "when": noon, "points": []any{int64(1), map[any]any{"x": 2.5}},
			"filter": map[any]any{"order": int64(2), "a.b": "dots"}, "whole.name": "n", int64(7): "seven",
		},
	}
	value = &component.Value{Attribute: "model", Size: 1 << 20, Cost: 1500 * time.Millisecond, Stored: noon.Add(time.Hour)}
)

func TestConditions(t *testing.T) {
	const (
		eq, ne, lt, le, gt, ge = component.Equal, component.NotEqual, component.Less, component.LessEqual, component.Greater, component.GreaterEqual
		exists, prefix, in     = component.Exists, component.HasPrefix, component.In
	)
	for _, c := range []struct {
		path  string
		op    component.Op
		value any
		want  bool
	}{
		{"tau", eq, 0.02, true}, {"tau", ne, 0.02, false}, {"tau", ne, 0.03, true}, {"tau", lt, int64(1), true}, {"tau", gt, int64(-1), true},
		{"tau", ge, 0.02, true}, {"tau", le, 0.02, true}, {"tau", gt, 0.02, false}, {"tau", lt, 0.02, false},
		{"n", eq, int64(5), true}, {"n", lt, 5.5, true}, {"n", gt, 4.5, true}, {"n", lt, uint64(math.MaxUint64), true}, {"n", lt, beyond, true}, {"n", lt, math.Inf(1), true}, {"n", gt, math.Inf(-1), true},
		{"big", gt, int64(math.MaxInt64), true}, {"big", eq, uint64(math.MaxUint64), true}, {"big", lt, beyond, true}, {"big", lt, float64(1 << 63), false},
		{"huge", eq, new(big.Int).Set(beyond), true}, {"huge", gt, 1e20, true}, {"huge", lt, 1.5, false}, {"huge", lt, math.Inf(1), true},
		{"inf", eq, math.Inf(1), true}, {"inf", gt, beyond, true}, {"inf", gt, math.Inf(1), false},
		{"nan", eq, math.NaN(), true}, {"nan", ne, math.NaN(), false}, {"nan", ne, 1.5, true}, {"nan", lt, 1.5, false}, {"nan", ge, math.NaN(), false}, {"n", lt, math.NaN(), false}, {"n", ne, math.NaN(), true},
		{"name", eq, "Cortex", true}, {"name", prefix, "Cor", true}, {"name", prefix, "cor", false}, {"name", prefix, "", true}, {"name", lt, "D", true}, {"name", in, []any{"a", "Cortex"}, true}, {"name", in, []any{"a"}, false}, {"name", in, "Cortex", false},
		{"bytes", eq, []byte("b"), true}, {"bytes", eq, "b", false}, {"bytes", lt, []byte("c"), true}, {"bytes", prefix, "b", false},
		{"on", eq, true, true}, {"on", ne, false, true}, {"on", lt, true, false}, {"on", eq, int64(1), false},
		{"none", eq, nil, true}, {"none", exists, nil, true}, {"none", ne, nil, false}, {"none", eq, int64(0), false}, {"absent", exists, nil, false}, {"absent", eq, nil, false}, {"absent", ne, int64(1), false},
		{"when", lt, noon.Add(1), true}, {"when", eq, noon.In(time.FixedZone("", 3600)), true}, {"when", eq, "2026-11-01T12:00:00Z", false},
		{"n", eq, "5", false}, {"n", ne, "5", false}, {"n", in, []any{"5"}, false}, {"n", in, []any{"5", int64(5)}, true}, {"n", prefix, "5", false},
		{"points.0", eq, int64(1), true}, {"points.1.x", gt, int64(2), true}, {"points.2", exists, nil, false}, {"points.-1", exists, nil, false}, {"points.00", exists, nil, false}, {"points", eq, []any{int64(1), map[any]any{"x": 2.5}}, true}, {"points", eq, []any{int64(1)}, false},
		{"filter.order", eq, int64(2), true}, {"filter.a.b", eq, "dots", true}, {"filter.", exists, nil, false}, {"whole.name", eq, "n", true}, {"whole", exists, nil, false}, {"7", exists, nil, false},
		{"filter", eq, map[any]any{"order": int64(2), "a.b": "dots"}, true}, {"filter", eq, map[any]any{"order": int64(2), "a.b": nil}, false}, {"filter", lt, map[any]any{}, false}, {"", exists, nil, true},
		{"n", "~", int64(5), false},
	} {
		if got := component.WhereParam(c.path, c.op, c.value).Match(example, nil); got != c.want {
			t.Errorf("%s %s %v = %v, want %v", c.path, c.op, c.value, got, c.want)
		}
	}
	for _, c := range []struct {
		field component.Field
		op    component.Op
		value any
		of    *component.Value
		want  bool
	}{
		{component.FieldType, eq, "lab/fit", nil, true}, {component.FieldVersion, prefix, "v", nil, true}, {component.FieldKey, prefix, "ab", nil, true},
		{component.FieldInput, eq, "ef", nil, true}, {component.FieldInput, eq, "e", nil, false}, {component.FieldInput, prefix, "c", nil, true}, {component.FieldFrom, eq, "cd", nil, true},
		{component.FieldAsOf, exists, nil, nil, false}, {component.FieldStored, eq, noon, nil, true}, {component.FieldStored, gt, noon, value, true},
		{component.FieldSize, ge, int64(1 << 20), value, true}, {component.FieldSize, exists, nil, nil, false}, {component.FieldCost, gt, int64(1), value, true}, {component.FieldCost, eq, 1.5, value, true},
		{component.FieldCost, exists, nil, &component.Value{Cost: -1}, false}, {component.FieldCost, eq, int64(2), &component.Value{Cost: 2 * time.Second}, true},
		{component.FieldAttribute, eq, "model", value, true}, {component.FieldAttribute, ne, "x", nil, false}, {"nothing", exists, nil, value, false},
	} {
		if got := component.Where(c.field, c.op, c.value).Match(example, c.of); got != c.want {
			t.Errorf("%s %s %v of %+v = %v, want %v", c.field, c.op, c.value, c.of, got, c.want)
		}
	}
}

func TestJoinedConditions(t *testing.T) {
	yes, no := component.WhereParam("n", component.Exists, nil), component.WhereParam("absent", component.Exists, nil)
	for _, c := range []struct {
		name string
		c    component.Condition
		want bool
	}{
		{"zero", component.Condition{}, true},
		{"all", component.And(yes, yes), true},
		{"one of all", component.And(yes, no), false},
		{"and of one", component.And(no), false},
		{"any", component.Condition{Op: component.Any, Of: []component.Condition{no, yes}}, true},
		{"any of none", component.Condition{Op: component.Any}, false},
		{"not", component.Condition{Op: component.Not, Of: []component.Condition{no}}, true},
		{"not any", component.Condition{Op: component.Not, Of: []component.Condition{no, yes}}, false},
	} {
		if got := (component.Query{Where: c.c}).Match(example, nil); got != c.want {
			t.Errorf("%s = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFixedUsesAndReach(t *testing.T) {
	typed := component.Where(component.FieldType, component.Equal, "lab/fit")
	from := component.Where(component.FieldFrom, component.Equal, "cd")
	all := component.And(component.And(typed), component.Condition{Op: component.Not, Of: []component.Condition{from}})
	if v, ok := all.Fixed(component.FieldType, component.Equal); !ok || v != "lab/fit" {
		t.Errorf("Fixed = %v, %v; want lab/fit", v, ok)
	}
	for _, c := range []component.Condition{from, {Op: component.Any, Of: []component.Condition{typed}}, {Op: component.Not, Of: []component.Condition{typed}}} {
		if v, ok := c.Fixed(component.FieldType, component.Equal); ok {
			t.Errorf("Fixed of %+v = %v, want nothing fixed", c, v)
		}
	}
	if !all.Uses(component.FieldFrom) || all.Uses(component.FieldSize) {
		t.Error("Uses does not find what is there")
	}
	reached, err := all.Reach(func(match func(string) bool) ([]string, error) {
		if !match("cd") || match("ef") {
			t.Error("Reach asks for other keys than the condition does")
		}
		return []string{"ab12"}, nil
	})
	if err != nil || reached.Uses(component.FieldFrom) || reached.Match(example, nil) || !all.Uses(component.FieldFrom) {
		t.Errorf("Reach = %+v, %v; want one that ab12 does not fulfil, and the first unchanged", reached, err)
	}
	failed := errors.New("failed")
	if _, err := all.Reach(func(func(string) bool) ([]string, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("Reach = %v, want %v", err, failed)
	}
}

// What an index is asked holds wherever the whole condition does, whatever is denied.
func TestOfDescriptions(t *testing.T) {
	not := func(of ...component.Condition) component.Condition {
		return component.Condition{Op: component.Not, Of: of}
	}
	any := func(of ...component.Condition) component.Condition {
		return component.Condition{Op: component.Any, Of: of}
	}
	yes, no := component.WhereParam("n", component.Exists, nil), component.WhereParam("absent", component.Exists, nil)
	size := component.Where(component.FieldSize, component.Greater, int64(5))
	for _, c := range []struct {
		c    component.Condition
		want bool // without a value
	}{
		{size, true}, {not(size), true}, {not(not(size)), true}, {component.And(yes, size), true}, {component.And(no, size), false},
		{any(no, size), true}, {not(any(no, size)), true}, {not(yes, size), false}, {not(component.And(yes, size)), true}, {any(), false}, {not(), true},
	} {
		weaker := c.c.OfDescriptions()
		if got := weaker.Match(example, nil); got != c.want || weaker.Uses(component.FieldSize) {
			t.Errorf("%+v becomes %+v, which is %v, want %v", c.c, weaker, got, c.want)
		}
		for _, v := range []*component.Value{nil, {Size: 1}, {Size: 9}} {
			if c.c.Match(example, v) && !weaker.Match(example, nil) {
				t.Errorf("%+v holds for %+v, and %+v does not", c.c, v, weaker)
			}
		}
	}
}

// A description answers as a component with the same answers.
func TestDescriptionComponent(t *testing.T) {
	d := example
	d.AsOf = noon
	c := d.Component()
	if c.Type() != d.Type || c.Version() != d.Version || len(c.Inputs()) != 2 {
		t.Errorf("the component is %q %q with %d inputs", c.Type(), c.Version(), len(c.Inputs()))
	}
	if timed, ok := c.(component.Timed); !ok || !timed.AsOf().Equal(noon) {
		t.Error("the component has lost its moment")
	}
}

// A long list of texts, as comparisons of distant inputs become, holds the same whatever its order; in ascending order it is searched by halves.
func TestLongLists(t *testing.T) {
	ascending := make([]any, 100)
	for i := range ascending {
		ascending[i] = fmt.Sprintf("%03d", 2*i)
	}
	descending := slices.Clone(ascending)
	slices.Reverse(descending)
	mixed := append(slices.Clone(ascending), int64(7))
	changed := component.Where(component.FieldKey, component.In, ascending)
	changed.Value = descending
	callers := slices.Clone(ascending)
	reused := component.Where(component.FieldKey, component.In, callers)
	copy(callers, descending)
	callers[50] = 7
	for _, c := range []struct {
		name     string
		where    component.Condition
		searched bool
	}{
		{"ascending", component.Where(component.FieldKey, component.In, ascending), true},
		{"descending", component.Where(component.FieldKey, component.In, descending), false},
		{"mixed", component.Where(component.FieldKey, component.In, mixed), false},
		{"changed", changed, false},
		{"reused by the caller", reused, true},
	} {
		for i := -1; i <= 200; i++ {
			key := fmt.Sprintf("%03d", i)
			if got, want := c.where.Match(component.Description{Key: key}, nil), i >= 0 && i < 200 && i%2 == 0; got != want {
				t.Errorf("%s: Match(%s) = %v, want %v", c.name, key, got, want)
			}
		}
		if got := component.SearchedByHalves(c.where); got != c.searched {
			t.Errorf("%s: searched by halves: %v, want %v", c.name, got, c.searched)
		}
	}
	keys := []string{}
	for _, v := range descending {
		keys = append(keys, v.(string))
	}
	from, err := component.Where(component.FieldFrom, component.Equal, "x").Reach(func(func(string) bool) ([]string, error) { return keys, nil })
	if err != nil || !component.SearchedByHalves(from) {
		t.Errorf("Reach = %v; want a list that is searched by halves, for it may have as many keys as the store", err)
	}
}
