package agentx

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
)

var base = mib.Enterprise.With(99)

func testTree(t testing.TB) *mib.Tree {
	t.Helper()
	values := []mib.Value{mib.Int(-5), mib.Count32(7), mib.Gauge(8), mib.Ticks(time.Second), mib.Count64(1 << 40), mib.Text("text"), mib.Ref(base), mib.Float(1)}
	g := mib.Group{Name: "TEST-MIB"}
	for i, v := range values {
		g.Scalars = append(g.Scalars, mib.Scalar{Name: "v", OID: base.With(uint32(i) + 1), Kind: v.Kind(), Get: func(*mib.Request) mib.Value { return v }})
	}
	return mibtest.Tree(t, g)
}

// ask writes a PDU of a master, in its byte order.
func ask(order binary.AppendByteOrder, kind byte, before []byte, ranges ...searchRange) []byte {
	var flags byte
	if order == binary.AppendByteOrder(binary.BigEndian) {
		flags = flagBigEndian
	}
	b := []byte{1, kind, flags, 0}
	for _, n := range []uint32{3, 4, 5, 0} {
		b = order.AppendUint32(b, n)
	}
	b = append(b, before...)
	oid := func(oid mib.OID, include byte) {
		b = append(b, byte(len(oid)), 0, include, 0)
		for _, n := range oid {
			b = order.AppendUint32(b, n)
		}
	}
	for _, s := range ranges {
		include := byte(0)
		if s.include {
			include = 1
		}
		oid(s.begin, include)
		oid(s.end, 0)
	}
	size := order.AppendUint32(nil, uint32(len(b)-headerSize))
	copy(b[16:], size)
	return b
}

// told takes a Response apart: its error, and "oid=value" of each binding.
func told(t testing.TB, b []byte) (code, index int, list []string) {
	t.Helper()
	h, err := readHeader(b)
	if err != nil || h.kind != typeResponse || int(h.size) != len(b)-headerSize {
		t.Fatalf("malformed: %v % x", err, b)
	}
	r := &reader{b: b[headerSize:], order: h.order}
	r.uint32()
	code, index = int(r.uint16()), int(r.uint16())
	return code, index, bindings(t, r)
}

func bindings(t testing.TB, r *reader) (list []string) {
	t.Helper()
	for len(r.b) > 0 && !r.bad {
		kind := mib.Kind(r.uint16())
		r.uint16()
		oid, _ := r.oid()
		v := mib.Exceptional(kind)
		switch kind {
		case mib.Integer32:
			v = mib.Int(int32(r.uint32()))
		case mib.Counter32:
			v = mib.Count32(uint64(r.uint32()))
		case mib.Gauge32:
			v = mib.Gauge(r.uint32())
		case mib.TimeTicks:
			v = mib.Ticks(time.Duration(r.uint32()) * 10 * time.Millisecond)
		case mib.Counter64:
			v = mib.Count64(r.order.Uint64(r.take(8)))
		case mib.ObjectID:
			value, _ := r.oid()
			v = mib.Ref(value)
		case mib.OctetString, mib.Opaque:
			n := int(r.uint32())
			v = mib.Octets(r.take((n + 3) &^ 3)[:n])
		}
		name := strings.TrimPrefix(oid.String(), base.String()+".")
		list = append(list, name+"="+v.String())
	}
	if r.bad {
		t.Error("a malformed binding")
	}
	return list
}

func TestAnswer(t *testing.T) {
	tree := testTree(t)
	all := searchRange{begin: base}
	for _, tc := range []struct {
		name   string
		kind   byte
		before []byte
		ranges []searchRange
		code   int
		want   string
	}{
		{name: "get of several", kind: typeGet, ranges: []searchRange{{begin: base.With(1, 0)}, {begin: base.With(5, 0)}, {begin: base.With(1, 1)}, {begin: base.With(77)}},
			want: "1.0=-5 5.0=1099511627776 1.1=noSuchInstance 77=noSuchObject"},
		{name: "next", kind: typeGetNext, ranges: []searchRange{all, {begin: base.With(6, 0)}}, want: `1.0=-5 7.0=` + base.String()},
		{name: "next, included", kind: typeGetNext, ranges: []searchRange{{begin: base.With(2, 0), include: true}}, want: "2.0=7"},
		{name: "next, up to an end", kind: typeGetNext, ranges: []searchRange{{begin: base.With(1, 0), end: base.With(2)}}, want: "1.0=endOfMibView"},
		{name: "next at the end", kind: typeGetNext, ranges: []searchRange{{begin: base.With(8, 0)}}, want: "8.0=endOfMibView"},
		{name: "bulk", kind: typeGetBulk, before: []byte{0, 1, 0, 2}, ranges: []searchRange{all, {begin: base.With(2)}, {begin: base.With(7, 0)}},
			want: `1.0=-5 2.0=7 8.0="\x9fx\x04?\x80\x00\x00" 3.0=8 8.0=endOfMibView`},
		{name: "set", kind: typeTestSet, code: int(mib.NotWritable)},
		{name: "unknown", kind: 77, code: errorParse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := ask(binary.BigEndian, tc.kind, tc.before, tc.ranges...)
			h, err := readHeader(in)
			if err != nil {
				t.Fatal(err)
			}
			code, _, list := told(t, answer(tree, h, in[headerSize:]))
			if got := strings.Join(list, " "); code != tc.code || got != tc.want {
				t.Errorf("error %d, %s; want %s", code, got, tc.want)
			}
		})
	}
	in := ask(binary.LittleEndian, typeGet, nil, searchRange{begin: base.With(1, 0)})
	h, _ := readHeader(in)
	if _, _, list := told(t, answer(tree, h, in[headerSize:])); !slices.Equal(list, []string{"1.0=-5"}) {
		t.Errorf("little endian: %q", list)
	}
	for _, kind := range []byte{typeResponse, typeClose, typeCleanupSet} {
		if out := answer(tree, header{kind: kind, order: binary.BigEndian}, nil); out != nil {
			t.Errorf("type %d is answered", kind)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	tree := testTree(f)
	for _, kind := range []byte{typeGet, typeGetNext, typeGetBulk, typeTestSet} {
		f.Add(ask(binary.BigEndian, kind, []byte{0, 1, 0, 9}[:4*int(kind/typeGetBulk)], searchRange{begin: base}, searchRange{begin: base.With(1, 0), include: true}))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < headerSize {
			return
		}
		h, err := readHeader(in)
		if err != nil {
			return
		}
		if out := answer(tree, h, in[headerSize:]); out != nil {
			told(t, out)
		}
	})
}

// master is an snmpd as far as a sub-agent sees it.
type master struct {
	t  *testing.T
	ln net.Listener
}

// accept takes a sub-agent in and returns the connection and what it registered. It asks for what is registered while
// the rest is not yet: managers do not wait.
func (m *master) accept() (net.Conn, []string) {
	m.t.Helper()
	c, err := m.ln.Accept()
	if err != nil {
		m.t.Fatal(err)
	}
	var regions []string
	for {
		h, payload, err := read(c, time.Minute)
		if err != nil {
			m.t.Fatal(err)
		}
		if h.kind == typeRegister {
			oid, _ := (&reader{b: payload[4:], order: h.order}).oid()
			regions = append(regions, oid.String())
		}
		if len(regions) > 1 {
			if _, err := c.Write(ask(binary.BigEndian, typeGetNext, nil, searchRange{begin: registered[0]})); err != nil {
				m.t.Fatal(err)
			}
			if h, _, err := read(c, time.Minute); err != nil || h.kind != typeResponse || h.packet != 5 {
				m.t.Fatalf("asked while it registers, it says %+v, %v", h, err)
			}
		}
		out := append(newPDU(typeResponse, 42, 0, h.packet), make([]byte, 8)...)
		if _, err := c.Write(finish(out)); err != nil {
			m.t.Fatal(err)
		}
		if len(regions) == len(registered) {
			return c, regions
		}
	}
}

// A PDU that stops after its first byte ends the connection; only where none has begun a master may be silent.
func TestHalfHeader(t *testing.T) {
	for _, sent := range []int{0, 1, headerSize, headerSize + 1} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			go theirs.Write(ask(binary.BigEndian, typeGetBulk, []byte{0, 0, 0, 1})[:sent])
			_, _, err := read(ours, pinging)
			var timeout net.Error
			if silent := errors.As(err, &timeout) && timeout.Timeout(); err == nil || silent != (sent == 0) {
				t.Errorf("after %d bytes: %v", sent, err)
			}
		})
	}
}

func TestSession(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	m := &master{t, ln}
	r := moduletest.Start(t, module.Info{Name: "agentx", New: func() module.Module { return new(service) }},
		moduletest.Options{Values: map[string]string{"agentx/master": "tcp:" + ln.Addr().String()}})
	c, regions := m.accept()
	if !slices.Equal(regions, []string{"1.3.6.1.2.1.27", mib.Enterprise.String()}) {
		t.Errorf("registered %q", regions)
	}
	if _, err := c.Write(ask(binary.LittleEndian, typeGetNext, nil, searchRange{begin: mib.OID{1, 3, 6, 1, 2, 1, 27}})); err != nil {
		t.Fatal(err)
	}
	h, payload, err := read(c, time.Minute)
	if err != nil || h.kind != typeResponse || h.packet != 5 || len(payload) < 12 {
		t.Fatalf("%+v, %d bytes, %v", h, len(payload), err)
	}
	// A master that is started again gets everything again, and an event gets to it.
	c.Close()
	c, regions = m.accept()
	defer c.Close()
	if len(regions) != len(registered) {
		t.Errorf("registered again %q", regions)
	}
	source := event.Declare(r.Module.(*service).host, event.Desc{Name: "storageNearlyFull", Severity: event.Warning, Help: "Full.", Fields: []event.Field{{Name: "path"}}})
	got := make(chan []string, 1)
	go func() {
		for {
			h, payload, err := read(c, time.Minute)
			if err != nil {
				return
			}
			if h.kind == typeNotify {
				got <- bindings(t, &reader{b: payload, order: h.order})
				return
			}
		}
	}()
	for { // the connection is open a moment before the session knows
		source.Raise("/data")
		source.Clear("/data")
		select {
		case list := <-got:
			if want := "1.3.6.1.6.3.1.1.4.1.0=" + mib.Enterprise.String() + ".0.3"; !slices.Contains(list, want) {
				t.Errorf("told %q, want %s", list, want)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A mistake in what is shown costs the session and not the program.
func TestPanic(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tree := mibtest.Tree(t, mib.Group{Name: "TEST-MIB", Scalars: []mib.Scalar{
		{Name: "right", OID: registered[0].With(9), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { return mib.Int(1) }},
		{Name: "wrong", OID: base.With(1), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { panic("a mistake") }}}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&session{master: "tcp:" + ln.Addr().String(), tree: tree}).run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	m := &master{t, ln}
	for range 2 {
		c, _ := m.accept()
		defer c.Close()
		if _, err := c.Write(ask(binary.BigEndian, typeGet, nil, searchRange{begin: base.With(1, 0)})); err != nil {
			t.Fatal(err)
		}
		if h, _, err := read(c, time.Minute); !errors.Is(err, io.EOF) {
			t.Errorf("%+v, %v", h, err)
		}
	}
}
