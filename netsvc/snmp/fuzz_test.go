package snmp

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
	"linnet/netsvc/wire/ber"
)

var testEngine = []byte("\x80\x00\x1f\x88\x05abcdefghijkl")

// testDesk is an agent without anything around it: a community, a user of each level, a writer, some objects.
func testDesk(t testing.TB) *desk {
	t.Helper()
	a := newAgent()
	a.engine.Store(&engine{id: testEngine, boots: 3, start: time.Now()})
	value := int32(1)
	groups := a.own(nil, nil)
	groups = append(groups, bigGroup(50)(nil)...)
	groups = append(groups, mib.Group{Name: "WIDE-MIB", Scalars: []mib.Scalar{{Name: "wide", OID: mib.Enterprise.With(76), Kind: mib.Counter64,
		Get: func(*mib.Request) mib.Value { return mib.Count64(1 << 40) }}}})
	groups = append(groups, mib.Group{Name: "SET-MIB", Scalars: []mib.Scalar{{Name: "setValue", OID: mib.Enterprise.With(78), Kind: mib.Integer32,
		Get: func(*mib.Request) mib.Value { return mib.Int(value) },
		Set: func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) {
			old := value
			return mib.Change{Commit: func() error { value = v.Int(); return nil }, Undo: func() error { value = old; return nil }}, mib.NoError
		}}}})
	tree, err := mib.NewTree(groups[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	made := &access{tree: tree, users: make(map[string]*principal)}
	for name, level := range map[string]byte{"none": 0, "auth": flagAuth, "priv": flagAuth | flagPriv} {
		keys := usm.Keys{}
		var auth usm.Auth
		var priv usm.Priv
		if level&flagAuth != 0 {
			auth, keys.Auth = usm.SHA1, bytes.Repeat([]byte{1}, 20)
		}
		if level&flagPriv != 0 {
			priv, keys.Priv = usm.AES128, bytes.Repeat([]byte{2}, 16)
		}
		u, err := usm.NewUser(name, auth, priv, keys)
		if err != nil {
			t.Fatal(err)
		}
		made.users[name] = &principal{name: name, level: level, tree: tree, user: u, write: name == "priv"}
	}
	made.communities = []*principal{{name: "c", community: []byte("public"), sources: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, tree: tree}}
	a.access.Store(made)
	return newDesk(a)
}

// request writes a message with this PDU, which need not be one.
func request(d *desk, version int32, user string, reportable bool, tag byte, p []byte) []byte {
	b := make([]byte, headroom+len(p), headroom+len(p)+64)
	copy(b[headroom:], p)
	w := writer{b: b, at: headroom, end: len(b)}
	if tag != 0 {
		w.pdu(tag, 7, 0, 10)
	}
	if version != version3 {
		return bytes.Clone(w.community(version, []byte("public")))
	}
	e := d.agent.engine.Load()
	who := d.agent.access.Load().users[user]
	s := sealed{id: 9, flags: who.level, engine: e.id, boots: e.boots, time: e.time(time.Now()), name: []byte(user), user: who.user,
		contextEngine: e.id, salt: [8]byte{1, 2, 3}}
	if reportable {
		s.flags |= flagReportable
	}
	return bytes.Clone(w.seal(&s))
}

func binds(oids ...string) []byte {
	var b []byte
	for _, oid := range oids {
		b = appendBind(b, mib.MustParseOID(oid), mib.None)
	}
	return b
}

// response takes an answer apart.
func response(t testing.TB, d *desk, out []byte) (m message) {
	t.Helper()
	out = bytes.Clone(out)
	rest, err := m.header(out)
	if err != nil {
		t.Fatalf("the answer is malformed: % x", out)
	}
	if m.version != version3 {
		if err := m.pdu.parse(rest); err != nil {
			t.Fatalf("the answer's PDU is malformed: % x", out)
		}
		return m
	}
	if m.flags&flagAuth != 0 {
		u := d.agent.access.Load().users[string(m.user)].user
		if !u.Verify(out, m.macAt) {
			t.Fatal("the answer is not authentic")
		}
		if m.flags&flagPriv != 0 {
			encrypted, _, err := ber.Expect(m.scoped, ber.OctetString)
			if err != nil {
				t.Fatal(err)
			}
			u.Decrypt(encrypted, m.boots, m.time, m.salt)
			m.scoped = encrypted
		}
	}
	if err := m.body(m.scoped, false); err != nil {
		t.Fatalf("the answer's body is malformed: % x", out)
	}
	return m
}

// names lists the instances of an answer, in which everything must be well-formed.
func names(t testing.TB, p *pdu) (list []string) {
	t.Helper()
	for b := p.binds; len(b) > 0; {
		name, tag, value, rest, err := nextBind(b)
		if err != nil {
			t.Fatal("a binding of the answer is malformed")
		}
		oid, err := ber.AppendParts(nil, name)
		if err != nil && p.a == 0 { // an error is told with what came
			t.Fatal("a name of the answer is malformed")
		}
		if _, err := mib.ReadValue(tag, value); err != nil && p.a == 0 {
			t.Fatal("a value of the answer is malformed")
		}
		list = append(list, mib.OID(oid).String())
		b = rest
	}
	return list
}

var someone = netip.MustParseAddr("192.0.2.1")

// Whatever comes: no panic, answers that are well-formed and within their limit, and the same limits whether or not
// the sender has a key.
func FuzzAnswer(f *testing.F) {
	d := testDesk(f)
	for _, tag := range []byte{tagGet, tagGetNext, tagGetBulk, tagSet, tagInform, tagReport, 0} {
		for _, user := range []string{"none", "auth", "priv"} {
			f.Add(request(d, version3, user, true, tag, binds("1.3", "1.3.6.1.6.3.10.2.1.1.0")), uint8(0))
		}
		f.Add(request(d, version1, "", true, tag, binds("1.3")), uint8(0))
		f.Add(request(d, version2c, "", true, tag, binds("1.3", "1.3.6.1.4.1.8072.9999.9999.77.1.1")), uint8(0))
		f.Add(binds("1.3.6.1", "1.3.6.1.4.1.8072.9999.9999.78.0"), tag)
	}
	f.Fuzz(func(t *testing.T, in []byte, tag uint8) {
		if len(in) > maxMessage-headroom {
			return
		}
		check := func(packet []byte, limit int) {
			d.agent.limiter = newLimiter() // or nothing would be answered for long
			out := d.answer(packet, someone)
			if out == nil {
				return
			}
			if len(out) > limit {
				t.Fatalf("%d bytes", len(out))
			}
			m := response(t, d, out)
			seen := names(t, &m.pdu)
			if m.pdu.tag != tagResponse && m.pdu.tag != tagReport || m.pdu.tag == tagReport && len(seen) != 1 {
				t.Fatalf("a PDU %x with %q", m.pdu.tag, seen)
			}
		}
		check(bytes.Clone(in), maxMessage)
		check(request(d, version1, "", true, tag, in), maxDatagram)
		check(request(d, version2c, "", true, tag, in), maxDatagram)
		for _, user := range []string{"none", "auth", "priv"} {
			check(request(d, version3, user, tag&1 == 0, tag, in), maxMessage)
		}
	})
}

func TestGetBulk(t *testing.T) {
	d := testDesk(t)
	const big = "1.3.6.1.4.1.8072.9999.9999.77.1."
	for _, tc := range []struct {
		name           string
		single, repeat int32
		binds          []byte
		want           []string
	}{
		{"one", 0, 3, binds(big + "1"), []string{big + "1.1", big + "1.2", big + "1.3"}},
		{"two in turn", 0, 2, binds(big+"1", big+"2"), []string{big + "1.1", big + "2.1", big + "1.2", big + "2.2"}},
		{"one alone, one repeated", 1, 2, binds(big+"1.9", big+"2"), []string{big + "1.10", big + "2.1", big + "2.2"}},
		{"more alone than there are", 5, 2, binds(big+"1", big+"2"), []string{big + "1.1", big + "2.1"}},
		{"none repeated", 1, 0, binds(big+"1", big+"2"), []string{big + "1.1"}},
		{"negative", -5, 1, binds(big + "1"), []string{big + "1.1"}},
		{"negative repetitions", 0, -1, binds(big + "1"), nil},
		{"nothing", 0, 5, nil, nil},
		{"at the end", 0, 5, binds("1.4"), []string{"1.4"}},
		{"one of two at the end", 0, 3, binds("1.4", big+"2.49"), []string{"1.4", big + "2.50", "1.4", "1.3.6.1.4.1.8072.9999.9999.78.0", "1.4", "1.3.6.1.6.3.10.2.1.1.0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := make([]byte, headroom+len(tc.binds))
			copy(b[headroom:], tc.binds)
			w := writer{b: b, at: headroom, end: len(b)}
			w.pdu(tagGetBulk, -5, tc.single, tc.repeat)
			m := response(t, d, d.answer(w.community(version2c, []byte("public")), someone))
			if got := names(t, &m.pdu); !slices.Equal(got, tc.want) || m.pdu.id != -5 || m.pdu.a != 0 {
				t.Errorf("got %q, want %q; id %d", got, tc.want, m.pdu.id)
			}
		})
	}
	// As much as fits, and not more.
	b := make([]byte, headroom, headroom+64)
	w := writer{b: append(b, binds(big+"1")...), at: headroom, end: headroom + len(binds(big+"1"))}
	w.pdu(tagGetBulk, 1, 0, 1<<30)
	out := d.answer(w.community(version2c, []byte("public")), someone)
	if len(out) < maxDatagram-50 || len(out) > maxDatagram {
		t.Errorf("a bulk of everything has %d bytes", len(out))
	}
}

// A manager that takes little gets little; one that takes less than anybody may is not answered.
func TestMaxSize(t *testing.T) {
	d := testDesk(t)
	packet := request(d, version3, "none", true, tagGetBulk, binds("1.3.6.1.4.1.8072.9999.9999.77.1.1", "1.3.6.1.4.1.8072.9999.9999.77.1.2"))
	sized := func(size uint16) []byte {
		return bytes.Replace(packet, []byte{2, 2, maxMessage >> 8, maxMessage & 255, 4, 1}, []byte{2, 2, byte(size >> 8), byte(size), 4, 1}, 1)
	}
	for _, size := range []uint16{484, 500, 600, 1000} {
		out := d.answer(sized(size), someone)
		if len(out) == 0 || len(out) > int(size) {
			t.Errorf("a manager that takes %d bytes gets %d", size, len(out))
		}
	}
	if out := d.answer(sized(483), someone); out != nil {
		t.Error("483 bytes are taken")
	}
	m := response(t, d, d.answer(sized(484), someone))
	if n := len(names(t, &m.pdu)); n < 5 || n >= 20 {
		t.Errorf("%d instances", n)
	}
	get := request(d, version3, "none", true, tagGet, bytes.Repeat(binds("1.3.6.1.4.1.8072.9999.9999.77.1.2.7"), 30))
	get = bytes.Replace(get, []byte{2, 2, maxMessage >> 8, maxMessage & 255, 4, 1}, []byte{2, 2, 1, 244, 4, 1}, 1)
	if m := response(t, d, d.answer(get, someone)); m.pdu.a != int32(mib.TooBig) || len(m.pdu.binds) != 0 {
		t.Errorf("error %d, %d bytes", m.pdu.a, len(m.pdu.binds))
	}
}

// The clock of a message may be off by 150 seconds; a message of an earlier start never counts.
func TestTimeWindow(t *testing.T) {
	d := testDesk(t)
	e := d.agent.engine.Load()
	for _, tc := range []struct {
		name  string
		boots uint32
		time  uint32
		in    bool
	}{
		{"now", 3, 1000, true}, {"150 early", 3, 851, true}, {"150 late", 3, 1149, true}, {"too early", 3, 848, false}, {"too late", 3, 1153, false},
		{"a start ago", 2, 1000, false}, {"a start to come", 4, 1000, false}, {"last boots", maxBoots, 1000, false},
	} {
		e.boots, e.start = 3, time.Now().Add(-1000*time.Second)
		if tc.boots == maxBoots {
			e.boots = maxBoots
		}
		b := append(make([]byte, headroom, headroom+64), binds("1.3.6.1.6.3.10.2.1.2.0")...)
		w := writer{b: b, at: headroom, end: len(b)}
		w.pdu(tagGet, 1, 0, 0)
		s := sealed{id: 1, flags: flagAuth | flagPriv | flagReportable, engine: e.id, boots: tc.boots, time: tc.time, name: []byte("priv"),
			user: d.agent.access.Load().users["priv"].user, contextEngine: e.id}
		out := d.answer(w.seal(&s), someone)
		m := response(t, d, out)
		if in := m.pdu.tag == tagResponse; in != tc.in || m.flags&flagAuth == 0 {
			t.Errorf("%s: answered with %x, flags %x", tc.name, m.pdu.tag, m.flags)
		}
		if !tc.in && (m.boots != e.boots || m.time < 1000 || names(t, &m.pdu)[0] != "1.3.6.1.6.3.15.1.1.2.0") {
			t.Errorf("%s: the Report says boots %d, time %d, %q", tc.name, m.boots, m.time, names(t, &m.pdu))
		}
	}
}

// A burst of Reports for a source, and then ten a second, whoever else asks.
func TestReportsAreLimited(t *testing.T) {
	d := testDesk(t)
	d.agent.engine.Load().start = time.Now()
	discover := func(from netip.Addr) bool {
		b := make([]byte, headroom)
		w := writer{b: b, at: headroom, end: headroom}
		w.pdu(tagGet, 1, 0, 0)
		s := sealed{id: 1, flags: flagReportable, contextEngine: nil}
		return d.answer(w.seal(&s), from) != nil
	}
	got, began := 0, time.Now()
	for range burst + 50 {
		if discover(someone) {
			got++
		}
	}
	if most := burst + int(time.Since(began)/tick) + 1; got < burst || got > most {
		t.Errorf("%d Reports, at most %d", got, most)
	}
	unlucky := uint32(0) // sources whose bucket is that of someone, as one of 512 is
	for other := someone.Next(); !discover(other); other = other.Next() {
		if unlucky++; unlucky == 8 {
			t.Fatal("no other source gets anything")
		}
	}
	if d.agent.stats.count[unknownEngines].Load() != uint64(burst+51+unlucky) || d.agent.stats.limited.Load() != uint32(burst+50-got)+unlucky {
		t.Error("not counted")
	}
}

// A GET, a GETBULK and an encrypted GET leave no garbage.
func TestAllocations(t *testing.T) {
	d := testDesk(t)
	for name, packet := range map[string][]byte{
		"get":  request(d, version2c, "", true, tagGet, binds("1.3.6.1.4.1.8072.9999.9999.77.1.1.7")),
		"bulk": request(d, version2c, "", true, tagGetBulk, binds("1.3.6.1.4.1.8072.9999.9999.77.1")),
		"v3":   request(d, version3, "priv", true, tagGet, binds("1.3.6.1.4.1.8072.9999.9999.77.1.1.7")),
	} {
		in := make([]byte, len(packet))
		if n := testing.AllocsPerRun(100, func() {
			copy(in, packet)
			if d.answer(in, someone) == nil {
				t.Fatal("no answer")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A group that panics costs one answer, and one line of the log.
func TestPanic(t *testing.T) {
	var lines strings.Builder
	d := testDesk(t)
	d.agent.log = log.To(&lines, log.LevelInfo)
	tree, err := mib.NewTree(mib.Group{Name: "BAD-MIB", Scalars: []mib.Scalar{{Name: "bad", OID: mib.Enterprise.With(79), Kind: mib.Integer32,
		Get: func(*mib.Request) mib.Value { panic("bad group") }}}})
	if err != nil {
		t.Fatal(err)
	}
	good := d.agent.access.Load().communities[0].tree
	d.agent.access.Load().communities[0].tree = tree
	packet := request(d, version2c, "", true, tagGet, binds("1.3.6.1.4.1.8072.9999.9999.79.0"))
	for range 3 {
		if d.protected(bytes.Clone(packet), someone) != nil {
			t.Error("answered")
		}
	}
	if n := strings.Count(lines.String(), "bad group"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	d.agent.access.Load().communities[0].tree = good
	if d.protected(bytes.Clone(packet), someone) == nil {
		t.Error("no answer afterwards")
	}
}

func BenchmarkAnswer(b *testing.B) {
	d := testDesk(b)
	for name, packet := range map[string][]byte{
		"get":  request(d, version2c, "", true, tagGet, binds("1.3.6.1.4.1.8072.9999.9999.77.1.1.7")),
		"bulk": request(d, version2c, "", true, tagGetBulk, binds("1.3.6.1.4.1.8072.9999.9999.77.1")),
		"v3":   request(d, version3, "priv", true, tagGet, binds("1.3.6.1.4.1.8072.9999.9999.77.1.1.7")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			in := make([]byte, len(packet))
			for b.Loop() {
				copy(in, packet)
				d.answer(in, someone)
			}
		})
	}
}
