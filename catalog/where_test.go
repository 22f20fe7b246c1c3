package catalog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

var (
	noon  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	words = catalog.Words{Now: noon, Key: func(text string) (string, error) {
		if text == "absent" {
			return "", errors.New("no such input")
		}
		return "key of " + text, nil
	}}
)

// fitted is a value, which conditions are tried on.
var (
	fitted = component.Description{
		Key: "3f2a", Type: "lab/fit", Version: "v3", Inputs: []string{"key of rec.atf"},
		Parameters: map[any]any{"tau": 0.02, "n": int64(5), "name": "and", "on": true, "filter": map[any]any{"order": int64(4)}},
	}
	ofFitted = component.Value{Attribute: "model", Size: 2 << 20, Cost: 90 * time.Minute, Stored: noon.Add(-48 * time.Hour)}
)

func TestParseWhere(t *testing.T) {
	for text, want := range map[string]bool{
		"type=lab/fit": true, "type = 'lab/fit'": true, `type == "lab/fit"`: true, "type!=lab/fit": false, "type~lab/": true, "TYPE=x": false,
		"version in (v2, v3)": true, "version in (v2)": false, "attribute=model": true, "id~3f": true,
		"params.tau=0.02": true, "params.tau < 0.03 and params.tau>0.01": true, "params.tau=2e-2": true, "params.tau = '0.02'": false,
		"params.n=5": true, "params.n = 5.0": true, `params.n="5"`: false, "params.on=true": true, "params.on='true'": false,
		"params.name=and": true, "params.filter.order>=4": true, "params.filter exists": true, "params.nothing exists": false,
		"params exists": true, "params.nothing=1": false, "params.nothing!=1": false, "not params.nothing=1": true,
		"age < 7d": true, "age > 7d": false, "age<=48h": true, "age >= 48h": true, "age>1d and age<3d": true,
		"stored > 2026-03-01": true, `stored<"2026-03-01 08:30"`: false, "stored > 2026-03-08T11:00:00Z": true,
		"size > 1MiB": true, "size>=2MiB and size<=2097152": true, "cost > 1h": true, "cost < 5400": false, "cost<=5400": true,
		"input=rec.atf": true, "input = 'other.atf'": false, "input exists": true,
		"type=x or type=y or version=v3": true, "type=x or (type=lab/fit and version=v3)": true, "not (type=x or version=v3)": false,
		"not not type=lab/fit": true, "type=x and type=y or version=v3": true, "version=v3 or type=x and type=y": true, "(((type=lab/fit)))": true,
	} {
		where, err := catalog.ParseWhere(text, words)
		name := strings.HasPrefix(text, "TYPE") // names of fields are in lower case
		if name {
			if err == nil {
				t.Errorf("%s: no error", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		where, err = where.Map(func(c component.Condition) (component.Condition, error) {
			var err error
			c.Value, err = keying.Reduce(c.Value)
			return c, err
		})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := where.Match(fitted, &ofFitted); got != want {
			t.Errorf("%s = %v, want %v", text, got, want)
		}
	}
}

// What cannot be read is shown with its place.
func TestParseWhereErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `there is the end where a field should be; the fields are age, attribute,`,
		"typ=x":                                "\"typ\" is no field; the fields are age, attribute, cost, from, id, input, size, stored, type, version and params.PATH\n  typ=x\n  ^",
		"type x":                               "there is \"x\" where one of = != < <= > >= ~ in exists should be\n  type x\n       ^",
		"type=":                                "there is the end where a value should be",
		"type=a type=b":                        "there is \"type\" where an \"and\", an \"or\" or the end should be\n  type=a type=b\n         ^",
		"(type=a":                              "there is the end where a ) should be",
		"type=a)":                              `there is ")" where`,
		"type='a":                              "a quote without its end",
		`type="a`:                              "a quote without its end",
		"type in a":                            `there is "a" where the ( of a list should be`,
		"type in (a":                           "there is the end where a comma or a ) should be",
		"type in (a,)":                         `there is ")" where a value should be`,
		"age=7d":                               "a moment is compared by < <= > >=",
		"age < soon":                           `"soon" is no age, such as 90m, 12h or 30d`,
		"stored > yesterday":                   `"yesterday" is no date`,
		"size > big":                           `"big" is not a size`,
		"cost > NaN":                           `"NaN" is no cost`,
		"params.x = 1e999":                     "1e999",
		"input=absent":                         "no such input\n  input=absent\n        ^",
		"type!x":                               `there is "!" where one of`,
		"größe = 1 and typ=x":                  "\"größe\" is no field",
		"params.größe=1 or typ":                "\n  params.größe=1 or typ\n                    ^",
		strings.Repeat("(", 300):               "nested more than 200 deep",
		strings.Repeat("not ", 300) + "type=a": "nested more than 200 deep",
	} {
		_, err := catalog.ParseWhere(text, words)
		var where *catalog.WhereError
		if !errors.As(err, &where) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Whatever the text, it is read or refused with a place in it.
func FuzzParseWhere(f *testing.F) {
	for _, seed := range []string{"type=a and (age<7d or not params.x in (1,'2'))", "\"", "'", "type=\"\\ud800\"", "!=", "params.=1", "a\x00b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := catalog.ParseWhere(text, words)
		var where *catalog.WhereError
		switch {
		case err == nil:
			c.Match(fitted, &ofFitted)
		case !errors.As(err, &where):
			t.Errorf("%q: %v is no WhereError", text, err)
		case where.Offset < 0 || where.Offset > len(text) || where.Error() == "":
			t.Errorf("%q: the place %d is outside", text, where.Offset)
		}
	})
}
