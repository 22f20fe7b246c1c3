package law

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// A script is a sequence of calls that any backend can be asked for, one after the
// other. Two backends that keep the laws answer it alike.
type script []step

// A step is one call. Its numbers may be anything: they are taken modulo what there is
// to choose from, so that every script means something.
type step struct {
	method uint8 // among methods
	key    uint8 // among twelve keys on two shelves
	size   uint8 // of what is stored, from nothing to more than is kept inline
	choice uint8 // of a handle, a version, a range, options: by the method
}

// methods are the calls of a [script], in the order in which step.method counts them: those
// first that find most, because drawing small numbers more often draws these.
var methods = []string{
	"put", "delete", "list", "get", "put", "swap", "create", "delete batch", "put batch", "reopen", "scan", "range", "stat", "shelves",
}

// parseScript reads a script from bytes, four a step, as a fuzzer makes them.
func parseScript(data []byte) script {
	var s script
	for ; len(data) >= 4; data = data[4:] {
		s = append(s, step{data[0], data[1], data[2], data[3]})
	}
	return s
}

// randomScript returns n steps.
func randomScript(rnd *rand.Rand, n int) script {
	s := make(script, n)
	for i := range s {
		x := rnd.Uint32()
		s[i] = step{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24)}
	}
	return s
}

var (
	scriptNames  = []string{"a", "a/b", "a-b", "b", "b/a", "c.d"}
	scriptSizes  = []int{0, 1, 100, 5000, 70_000, 200_000}
	scriptLists  = []backend.ListOptions{{}, {Limit: 1}, {Limit: 3}, {Prefix: "a"}, {Prefix: "a/"}, {After: "a"}, {After: "a-z"}, {Prefix: "b", After: "b", Limit: 2}}
	scriptRanges = [][2]int64{{0, -1}, {0, 0}, {0, 1}, {1, 50}, {99, 2}, {100, 1}, {4096, 4096}, {1 << 40, 5}}
)

// A stage is where a script is played.
type stage struct {
	// open returns a handle on the place, each time another one on the same values.
	open func(ctx context.Context) (backend.Backend, error)
	// mark begins the names of all shelves, so that others may use the place.
	mark string
	// limits are what the backends that are compared promise in common: steps that need
	// more are left out.
	limits backend.Limits
}

// player plays one script.
type player struct {
	at       stage
	handles  [2]backend.Backend
	versions map[backend.Key][]string // all of each key so far, the present one last
	step     int
}

// play plays s and returns a line for each step: what was asked and what was
// answered, without what backends may differ in, times and versions. An error says that the place could not be opened or closed.
func (st stage) play(ctx context.Context, s script) (history []string, err error) {
	p := &player{at: st, versions: map[backend.Key][]string{}}
	defer func() {
		for _, b := range p.handles {
			if b != nil {
				err = errors.Join(err, b.Close())
			}
		}
	}()
	for i := range p.handles {
		if p.handles[i], err = st.open(ctx); err != nil {
			return nil, err
		}
	}
	for i, step := range s {
		p.step = i
		line, err := p.call(ctx, step)
		if err != nil {
			return history, err
		}
		history = append(history, line)
	}
	return history, nil
}

func (p *player) call(ctx context.Context, s step) (string, error) {
	method := methods[int(s.method)%len(methods)]
	which := int(s.choice) % len(p.handles)
	b, choice := p.handles[which], int(s.choice)/len(p.handles)
	key := p.key(int(s.key))
	name := strings.TrimPrefix(key.String(), p.at.mark)
	switch method {
	case "reopen":
		if err := b.Close(); err != nil {
			return "", err
		}
		var err error
		p.handles[which], err = p.at.open(ctx)
		return "reopen", err
	case "put", "create", "swap":
		return p.put(ctx, b, method, key, name, s, choice), nil
	case "get":
		text, info, err := load(ctx, b, key)
		return fmt.Sprintf("get %s: %s", name, answer(err, text, info)), nil
	case "stat":
		info, err := b.Stat(ctx, key)
		return fmt.Sprintf("stat %s: %s", name, answer(err, "", info)), nil
	case "range":
		r := scriptRanges[choice%len(scriptRanges)]
		text, info, err := part(ctx, b, key, "", r[0], r[1])
		return fmt.Sprintf("range %s from %d, %d bytes: %s", name, r[0], r[1], answer(err, text, info)), nil
	case "delete":
		return fmt.Sprintf("delete %s: %s", name, class(b.Delete(ctx, key))), nil
	case "delete batch":
		keys := []backend.Key{key, p.key(int(s.key) + choice), p.key(int(s.size))}
		return fmt.Sprintf("delete batch %s: %s", p.told(keys), class(backend.DeleteBatch(ctx, b, keys))), nil
	case "put batch":
		return p.batch(ctx, b, s, choice), nil
	case "shelves":
		return p.shelves(ctx, b), nil
	}
	return p.list(ctx, b, method, key.Shelf, scriptLists[choice%len(scriptLists)]), nil
}

func (p *player) key(n int) backend.Key {
	shelf := []string{"s", "t"}[n/len(scriptNames)%2]
	return backend.Key{Shelf: p.at.mark + shelf, Name: scriptNames[n%len(scriptNames)]}
}

func (p *player) told(keys []backend.Key) string {
	var names []string
	for _, key := range keys {
		names = append(names, strings.TrimPrefix(key.String(), p.at.mark))
	}
	return strings.Join(names, " ")
}

// text is what a step stores: no two steps store the same bytes, so that every engine
// gives them different versions.
func (p *player) text(size uint8, part int) string {
	n := scriptSizes[int(size)%len(scriptSizes)]
	if p.at.limits.MaxValue > 0 {
		n = min(n, int(p.at.limits.MaxValue)/2)
	}
	if n == 0 && p.step%2 == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d ", p.step, part) + noise(n, uint64(p.step))
}

func (p *player) put(ctx context.Context, b backend.Backend, method string, key backend.Key, name string, s step, choice int) string {
	text := p.text(s.size, 0)
	opts := filled(text, backend.PutOptions{Meta: backend.Meta{"step": fmt.Sprint(p.step)}})
	switch method {
	case "create":
		if !p.at.limits.AtomicIfAbsent {
			return "create is not promised"
		}
		opts.IfAbsent = true
	case "swap":
		if !p.at.limits.AtomicIfMatch {
			return "swap is not promised"
		}
		known := p.versions[key]
		opts.IfMatch = "none"
		if i := len(known) - 1 - choice%3; i >= 0 {
			opts.IfMatch = known[i]
			method = []string{"swap", "swap the last but one", "swap the last but two"}[choice%3]
		} else {
			method = "swap an unknown version"
		}
		if text == "" {
			// Empty values are alike, and so may their versions be.
			text = fmt.Sprint(p.step)
			opts = filled(text, opts)
		}
	}
	info, err := b.Put(ctx, key, strings.NewReader(text), opts)
	p.saw(key, info, err)
	return fmt.Sprintf("%s %s, %d bytes: %s", method, name, len(text), answer(err, "", info))
}

// saw remembers the version of a value that was stored. Of an empty one it forgets all
// that was, because an earlier empty one may have had the same.
func (p *player) saw(key backend.Key, info backend.Info, err error) {
	switch {
	case err != nil:
	case info.Size == 0:
		p.versions[key] = []string{info.Version}
	default:
		p.versions[key] = append(p.versions[key], info.Version)
	}
}

func (p *player) batch(ctx context.Context, b backend.Backend, s step, choice int) string {
	keys := []backend.Key{p.key(int(s.key)), p.key(int(s.key) + choice), p.key(int(s.key) + 7)}
	var items []backend.Item
	for i, key := range keys {
		opts := backend.PutOptions{IfAbsent: p.at.limits.AtomicIfAbsent && (choice+i)%3 == 0, Meta: backend.Meta{"item": fmt.Sprint(i)}}
		items = append(items, item(key, p.text(s.size+uint8(i), i+1), opts))
	}
	infos, err := backend.PutBatch(ctx, b, items)
	var answers []string
	for i, key := range keys {
		var info backend.Info
		if i < len(infos) {
			info = infos[i]
		}
		err := backend.ItemError(err, i)
		p.saw(key, info, err)
		answers = append(answers, answer(err, "", info))
	}
	return fmt.Sprintf("put batch %s: %s", p.told(keys), strings.Join(answers, "; "))
}

func (p *player) list(ctx context.Context, b backend.Backend, method, shelf string, opts backend.ListOptions) string {
	var seen []string
	var err error
	if method == "list" {
		var infos []backend.Info
		infos, err = collect(b.List(ctx, shelf, opts))
		for _, info := range infos {
			seen = append(seen, fmt.Sprintf("%s %d", info.Key.Name, info.Size))
		}
	} else {
		for entry, serr := range backend.Scan(ctx, b, shelf, opts) {
			if err = serr; err != nil {
				break
			}
			text, rerr := io.ReadAll(entry.Body)
			if err = rerr; err != nil {
				break
			}
			seen = append(seen, fmt.Sprintf("%s %s", entry.Key.Name, answer(nil, string(text), entry.Info)))
		}
	}
	return fmt.Sprintf("%s %s, %s: %s [%s]", method, strings.TrimPrefix(shelf, p.at.mark), described(opts), class(err), strings.Join(seen, "; "))
}

func (p *player) shelves(ctx context.Context, b backend.Backend) string {
	all, err := collect(b.Shelves(ctx, backend.ListOptions{Prefix: p.at.mark}))
	for i := range all {
		all[i] = strings.TrimPrefix(all[i], p.at.mark)
	}
	return fmt.Sprintf("shelves: %s %q", class(err), all)
}

// answer says what a call answered, as far as all backends answer alike.
func answer(err error, text string, info backend.Info) string {
	if err != nil {
		return class(err)
	}
	var meta []string
	for k, v := range info.Meta {
		meta = append(meta, k+"="+v)
	}
	slices.Sort(meta)
	said := fmt.Sprintf("ok, %d bytes %x %v", info.Size, info.Digest[:3], meta)
	if text != "" {
		sum := sha256.Sum256([]byte(text))
		said += fmt.Sprintf(", %d read %x", len(text), sum[:3])
	}
	return said
}

// class names an error by the sentinel that it matches.
func class(err error) string {
	if err == nil {
		return "ok"
	}
	var batch backend.BatchError
	if errors.As(err, &batch) {
		var all []string
		for _, e := range batch {
			all = append(all, class(e))
		}
		return strings.Join(all, "; ")
	}
	for _, sentinel := range []error{
		backend.ErrNotFound, backend.ErrExists, backend.ErrChanged, backend.ErrCorrupt, backend.ErrInvalidKey, backend.ErrTooLarge, backend.ErrTooLong,
		backend.ErrLocked, backend.ErrUnavailable, backend.ErrClosed, errors.ErrUnsupported, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	return err.Error()
}
