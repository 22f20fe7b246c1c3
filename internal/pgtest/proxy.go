//go:build unix

package pgtest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// A Cut is what a [Proxy] does to a connection at one turn: what a client sends until it waits for
// an answer.
type Cut int

// The ways to cut.
const (
	None   Cut = iota
	Before     // the turn does not reach the server
	After      // the server has done what it was asked for, and its answer does not reach the client
)

// String returns the name of a cut.
func (c Cut) String() string { return [...]string{"none", "before", "after"}[c] }

// A Proxy stands between clients and a server, and cuts connections.
type Proxy struct {
	// URL is that of the database postgres through the proxy.
	URL string

	server string

	mu    sync.Mutex // guards the rest
	turns int
	cut   func(turn int) Cut
	hit   func() // called when a cut was made

	silent chan struct{} // closed when the silence ends; nil when there is none
}

// NewProxy starts a proxy before a cluster, which ends with the test.
func NewProxy(t testing.TB, c *Cluster) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		URL:    fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", l.Addr()),
		server: fmt.Sprintf("127.0.0.1:%d", c.Port),
	}
	var conns sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { p.serve(client) })
		}
	})
	return p
}

// Cut says what to do at each turn, counted from 1 on over all connections from now on; nil cuts nothing.
// hit is called when a cut was made, unless it is nil.
func (p *Proxy) Cut(cut func(turn int) Cut, hit func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns, p.cut, p.hit = 0, cut, hit
}

// Silence makes a server that accepts and never answers: what clients send on connections old and new is swallowed,
// until end is called, which closes those connections.
func (p *Proxy) Silence() (end func()) {
	silent := make(chan struct{})
	set := func(c chan struct{}) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.silent = c
	}
	set(silent)
	return sync.OnceFunc(func() {
		set(nil)
		close(silent)
	})
}

// hushed waits for the end of a silence, and reports whether there was one.
func (p *Proxy) hushed() bool {
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	if silent == nil {
		return false
	}
	<-silent
	return true
}

// Turns returns how many turns there were since the last Cut.
func (p *Proxy) Turns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turns
}

// next counts a turn.
func (p *Proxy) next() (Cut, func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns++
	hit := p.hit
	if hit == nil {
		hit = func() {}
	}
	if p.cut == nil {
		return None, hit
	}
	return p.cut(p.turns), hit
}

const cancelRequest = 80877102

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	in := bufio.NewReader(client)
	hello, err := packet(in, nil)
	if err != nil || p.hushed() {
		return
	}
	if _, err := server.Write(hello); err != nil {
		return
	}
	if len(hello) >= 8 && binary.BigEndian.Uint32(hello[4:]) == cancelRequest {
		_, _ = io.Copy(io.Discard, server) // it closes when it has done it
		return
	}
	a := &answers{client: client, ready: make(chan struct{}, 1)}
	var back sync.WaitGroup
	back.Go(func() { a.pass(server) })
	p.turn(in, server, a)
	client.Close()
	server.Close()
	back.Wait()
}

// turn passes turns on, until one is cut.
func (p *Proxy) turn(in *bufio.Reader, server net.Conn, a *answers) {
	var turn []byte
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return
		}
		m, err := packet(in, []byte{kind})
		if err != nil {
			return
		}
		turn = append(turn, m...)
		if kind == 'X' {
			_, _ = server.Write(turn)
			return
		}
		if kind != 'S' && kind != 'Q' && kind != 'c' && kind != 'p' {
			continue
		}
		if p.hushed() {
			return
		}
		cut, hit := None, func() {}
		if kind != 'p' {
			cut, hit = p.next()
		}
		if cut == After {
			a.drop()
		}
		if cut != Before {
			if _, err := server.Write(turn); err != nil {
				return
			}
		}
		if cut == After {
			<-a.ready
		}
		if cut != None {
			hit()
			return
		}
		turn = turn[:0]
	}
}

// answers are what a server says to a client.
type answers struct {
	client net.Conn
	ready  chan struct{}

	mu      sync.Mutex // guards dropped
	dropped bool
}

// drop loses all answers from now on.
func (a *answers) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped = true
}

// pass passes answers on, or says that the server is ready with what it drops.
func (a *answers) pass(server net.Conn) {
	defer a.client.Close()
	defer func() {
		select {
		case a.ready <- struct{}{}:
		default:
		}
	}()
	in := bufio.NewReader(server)
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return
		}
		m, err := packet(in, []byte{kind})
		if err != nil {
			return
		}
		a.mu.Lock()
		dropped := a.dropped
		a.mu.Unlock()
		if !dropped {
			if _, err := a.client.Write(m); err != nil {
				return
			}
			continue
		}
		if kind == 'Z' || kind == 'G' {
			return
		}
	}
}

// packet reads the length of a message and the rest of it, behind what was read.
func packet(in *bufio.Reader, head []byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 1<<28 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	m := append(head, size[:]...)
	m = append(m, make([]byte, n-4)...)
	_, err := io.ReadFull(in, m[len(head)+4:])
	return m, err
}
