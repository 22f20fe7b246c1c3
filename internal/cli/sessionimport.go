package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/session"
)

func newSessionsImport(a *app) *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "import [flags] NAME [FILE...]",
		Short: "Read sessions from JSON lines",
		Long: `Read items from JSON lines, each {"session": …, "key": …, "value": …}, into sessions of NAME.
Without FILE, and for -, that is standard input. The lines of a session stand together.
Items that are there already are replaced.

What JSON has no word for is {"$bytes": "<hexadecimal digits>"} or {"$float": "nan"}. Lists
of numbers become arrays. docs/migrating.md has a script that writes such lines from the
shelves of Brian's DataManager.`,
		Example: `  larder sessions import old-sweep results.jsonl
  python3 shelve2jsonl.py data.data/* | larder sessions import old-sweep`,
		Args: between(1, -1, "sessions import NAME [FILE...]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sessionsImport(cmd.Context(), args[0], args[1:], into)
		},
	}
	cmd.Flags().StringVar(&into, "session", "", "the session of lines that name none")
	return cmd
}

// maxLine bounds a line, and so what a wrong file can take of memory.
const maxLine = 256 << 20

func (a *app) sessionsImport(ctx context.Context, name string, files []string, into string) error {
	store, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, name, nil)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	im := &importer{m: m, into: into, bar: a.newProgress()}
	defer im.bar.end()
	for _, file := range files {
		if err := a.importFile(ctx, im, file); err != nil {
			return errors.Join(err, im.finish(ctx, false))
		}
		if err := im.finish(ctx, true); err != nil {
			return err
		}
	}
	im.bar.end()
	a.note("imported %s into %s", count(im.items, "item"), count(im.sessions, "session"))
	return nil
}

func (a *app) importFile(ctx context.Context, im *importer, file string) error {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := im.line(ctx, lines.Bytes()); err != nil {
			return fmt.Errorf("%s, line %d: %w", file, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s, after line %d: %w", file, n, err)
	}
	return nil
}

// importer puts what lines say.
type importer struct {
	m    *session.Manager
	into string
	bar  *progress

	open            *session.Session // the one of the last line
	pending         []pair
	bytes           int
	items, sessions int
}

type pair struct {
	key   string
	value any
}

// importBatch is how many bytes of lines are stored at a time.
const importBatch = 4 << 20

func (im *importer) line(ctx context.Context, text []byte) error {
	var l struct {
		Session *string         `json:"session"`
		Key     *string         `json:"key"`
		Value   json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	if l.Key == nil || l.Value == nil {
		return errors.New(`it has no "key" or no "value"`)
	}
	name := im.into
	if l.Session != nil {
		name = *l.Session
	}
	if name == "" {
		return errors.New(`it names no "session": give --session`)
	}
	value, err := catalog.ParseJSON(bytes.NewReader(l.Value))
	if err == nil {
		value, err = revive(value)
	}
	if err != nil {
		return fmt.Errorf("key %q: %w", *l.Key, err)
	}
	if im.open == nil || im.open.Name() != name {
		if err := im.finish(ctx, true); err != nil {
			return err
		}
		if im.open, err = im.m.Session(ctx, name, nil); err != nil {
			return err
		}
		im.sessions++
	}
	im.pending = append(im.pending, pair{*l.Key, value})
	im.items++
	im.bar.show(func() string { return fmt.Sprintf("%s, session %s", count(im.items, "item"), name) })
	if im.bytes += len(text); im.bytes > importBatch {
		return im.store(ctx)
	}
	return nil
}

func (im *importer) store(ctx context.Context) error {
	err := im.open.PutAll(ctx, func(yield func(string, any) bool) {
		for _, p := range im.pending {
			if !yield(p.key, p.value) {
				return
			}
		}
	})
	im.pending, im.bytes = nil, 0
	return err
}

// finish stores what was read of the open session, and marks it as complete, or leaves it open to be gone on with.
func (im *importer) finish(ctx context.Context, complete bool) error {
	if im.open == nil {
		return nil
	}
	s := im.open
	err := im.store(ctx)
	im.open = nil
	switch {
	case err == nil && complete:
		err = s.Close(ctx)
	case err == nil:
		err = s.Flush(ctx)
	}
	if err == nil && complete {
		return nil
	}
	return errors.Join(err, s.Abandon(ctx))
}

// revive makes Go values of what JSON said in other words, and arrays of lists of numbers.
func revive(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			var err error
			if v[i], err = revive(v[i]); err != nil {
				return nil, err
			}
		}
		return numbers(v), nil
	case map[string]any:
		return reviveObject(v)
	}
	return v, nil
}

func reviveObject(v map[string]any) (any, error) {
	for k, e := range v {
		text, isText := e.(string)
		switch {
		case len(v) == 1 && k == "$bytes" && isText:
			return hex.DecodeString(text)
		case len(v) == 1 && k == "$float" && isText:
			return strconv.ParseFloat(text, 64)
		}
		var err error
		if v[k], err = revive(e); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// numbers returns a list of numbers as an array of one type, and any other list as it is.
func numbers(list []any) any {
	ints, floats := []int64{}, []float64{}
	for _, e := range list {
		switch n := e.(type) {
		case int64:
			ints, floats = append(ints, n), append(floats, float64(n))
		case float64:
			floats = append(floats, n)
		default:
			return list
		}
	}
	switch {
	case len(list) == 0:
		return list
	case len(ints) == len(list):
		return ints
	}
	for _, n := range ints {
		if int64(float64(n)) != n {
			return list // a float64 cannot hold it
		}
	}
	return floats
}
