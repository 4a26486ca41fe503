package snmp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
)

// What is refused without a word, and what a Report says of (RFC 3412 section 7.2, RFC 3414 section 3.2).
func TestRefused(t *testing.T) {
	d := testDesk(t)
	users := d.agent.access.Load().users
	sealed3 := func(tag byte, s sealed) []byte {
		s.id, s.flags, s.boots = 9, s.flags|flagReportable, 3
		if s.engine == nil {
			s.engine = testEngine
		}
		w := writer{b: make([]byte, headroom+64), at: headroom, end: headroom}
		w.pdu(tag, 7, 0, 0)
		return w.seal(&s)
	}
	stranger := func(tag byte) []byte { return sealed3(tag, sealed{engine: []byte("another engine")}) }
	get := binds("1.3.6.1.6.3.10.2.1.2.0")
	model := request(d, version3, "none", true, tagGet, get)
	model = bytes.Replace(model, []byte{4, 1, flagReportable, 2, 1, securityUSM}, []byte{4, 1, flagReportable, 2, 1, securityUSM + 1}, 1)
	for _, tc := range []struct {
		name    string
		packet  []byte
		counted counter
		told    bool
	}{
		{"encryption without authentication", sealed3(tagGet, sealed{flags: flagPriv, name: []byte("priv"), user: users["priv"].user}), invalidMessages, false},
		{"another security model", model, unknownModels, false},
		{"a get to another engine", stranger(tagGet), unknownEngines, true},
		{"an inform to another engine", stranger(tagInform), unknownEngines, true},
		{"a trap of another engine", stranger(tagTrap), unknownEngines, false},
		{"a response of another engine", stranger(tagResponse), unknownEngines, false},
		{"a report of another engine", stranger(tagReport), unknownEngines, false},
		{"a trap", sealed3(tagTrap, sealed{name: []byte("none"), contextEngine: testEngine}), unknownHandlers, false},
		{"an inform", sealed3(tagInform, sealed{name: []byte("none"), contextEngine: testEngine}), unknownHandlers, true},
		{"nobody", sealed3(tagGet, sealed{name: []byte("mallory")}), unknownUsers, true},
		{"version 2", request(d, 2, "", false, tagGet, get), badVersions, false},
		{"a bulk of version 1", request(d, version1, "", false, tagGetBulk, get), unknownHandlers, false},
		{"a trap of version 2c", request(d, version2c, "", false, tagTrap, get), unknownHandlers, false},
		{"a set by a community", request(d, version2c, "", false, tagSet, get), badCommunityUses, true},
	} {
		before := d.agent.stats.count[tc.counted].Load()
		out := d.answer(bytes.Clone(tc.packet), someone)
		if told := out != nil; told != tc.told {
			t.Errorf("%s: answered %v", tc.name, told)
		}
		if d.agent.stats.count[tc.counted].Load() != before+1 {
			t.Errorf("%s: not counted", tc.name)
		}
	}
}

// Who speaks below his level proves nothing: what he is told could go to the victim of a forged address.
func TestUnprovenIsLimited(t *testing.T) {
	d := testDesk(t)
	u := d.agent.access.Load().users["auth"]
	level := u.level
	u.level = 0
	packet := request(d, version3, "auth", true, tagGet, binds("1.3.6.1.6.3.10.2.1.2.0"))
	u.level = level
	got, began := 0, time.Now()
	for range burst + 50 {
		if d.answer(bytes.Clone(packet), someone) != nil {
			got++
		}
	}
	if got < burst || got > burst+int(time.Since(began)/tick)+1 || d.agent.stats.limited.Load() != uint32(burst+50-got) {
		t.Errorf("%d answers, %d limited", got, d.agent.stats.limited.Load())
	}
}

// The same salt twice would tell who listens where two answers differ.
func TestSalts(t *testing.T) {
	d := testDesk(t)
	seen := make(map[string]bool)
	for range 10 {
		out := d.answer(request(d, version3, "priv", true, tagGet, binds("1.3.6.1.6.3.10.2.1.2.0")), someone)
		var m message
		if _, err := m.header(out); err != nil || len(m.salt) != usm.SaltSize || seen[string(m.salt)] {
			t.Fatalf("salt %x, %v", m.salt, err)
		}
		seen[string(m.salt)] = true
	}
}

// Counters of 64 bits are not there for version 1 (RFC 3584 section 4.2.2.1).
func TestCounter64(t *testing.T) {
	d := testDesk(t)
	const wide, after = "1.3.6.1.4.1.8072.9999.9999.76.0", "1.3.6.1.4.1.8072.9999.9999.77.1.1.1"
	for _, tc := range []struct {
		version int32
		tag     byte
		name    string
		status  mib.Status
		want    string
	}{
		{version2c, tagGet, wide, mib.NoError, wide},
		{version1, tagGet, wide, mib.NoSuchName, wide},
		{version2c, tagGetNext, "1.3.6.1.4.1.8072.9999.9999.76", mib.NoError, wide},
		{version1, tagGetNext, "1.3.6.1.4.1.8072.9999.9999.76", mib.NoError, after},
	} {
		b := append(make([]byte, headroom), binds("1.3.6.1.6.3.10.2.1.2.0", tc.name)...)
		w := writer{b: b, at: headroom, end: len(b)}
		w.pdu(tc.tag, 7, 0, 0)
		m := response(t, d, d.answer(w.community(tc.version, []byte("public")), someone))
		index := int32(0)
		if tc.status != mib.NoError {
			index = 2
		}
		if got := names(t, &m.pdu); m.pdu.a != int32(tc.status) || m.pdu.b != index || got[1] != tc.want {
			t.Errorf("version %d, %x of %s: error %d at %d, %q", tc.version, tc.tag, tc.name, m.pdu.a, m.pdu.b, got)
		}
	}
}

// A SET whose second part fails leaves nothing behind: what was done is undone, the last first, and what was not is
// not touched.
func TestSetThatFails(t *testing.T) {
	d := testDesk(t)
	var done []string
	failing := ""
	var g mib.Group
	step := func(name string) func() error {
		return func() error {
			done = append(done, name)
			if slices.Contains(strings.Fields(failing), name) {
				return errors.New("the disk is full")
			}
			return nil
		}
	}
	for i, name := range []string{"a", "b", "c"} {
		g.Scalars = append(g.Scalars, mib.Scalar{Name: name, OID: mib.Enterprise.With(uint32(i)), Kind: mib.Null,
			Get: func(*mib.Request) mib.Value { return mib.None },
			Set: func(*mib.Request, mib.Value) (mib.Change, mib.Status) {
				return mib.Change{Commit: step(name), Undo: step("un" + name)}, mib.NoError
			}})
	}
	tree, err := mib.NewTree(g)
	if err != nil {
		t.Fatal(err)
	}
	d.agent.access.Load().users["priv"].tree = tree
	const at = "1.3.6.1.4.1.8072.9999.9999."
	for _, tc := range []struct {
		failing string
		status  mib.Status
		index   int32
		done    string
	}{
		{"", mib.NoError, 0, "a b c"},
		{"c", mib.CommitFailed, 3, "a b c unb una"},
		{"a", mib.CommitFailed, 1, "a"},
		{"c unb", mib.UndoFailed, 0, "a b c unb una"},
	} {
		done, failing = nil, tc.failing
		out := d.answer(request(d, version3, "priv", true, tagSet, binds(at+"0.0", at+"1.0", at+"2.0")), someone)
		m := response(t, d, out)
		if got := strings.Join(done, " "); m.pdu.a != int32(tc.status) || m.pdu.b != tc.index || got != tc.done {
			t.Errorf("%q fails: error %d at %d, done %q, want %q", tc.failing, m.pdu.a, m.pdu.b, got, tc.done)
		}
	}
}

// What cannot be confirmed is not done (RFC 3416 section 4.2.5).
func TestSetTooBig(t *testing.T) {
	d := testDesk(t)
	value := mib.Enterprise.With(78, 0)
	one := appendBind(nil, value, mib.Int(5))
	for n := (maxMessage - headroom) / len(one); ; n++ {
		packet := request(d, version3, "priv", true, tagSet, bytes.Repeat(one, n))
		if len(packet) > maxMessage {
			t.Fatal("no SET that fits has an answer that does not")
		}
		m := response(t, d, d.answer(packet, someone))
		got := d.agent.access.Load().tree.Get(&mib.Request{}, value).Int()
		if m.pdu.a == int32(mib.NoError) && got == 5 {
			d = testDesk(t)
			continue
		}
		if m.pdu.a != int32(mib.TooBig) || len(m.pdu.binds) != 0 || got != 1 {
			t.Errorf("%d times: error %d with %d bytes, the value is %d", n, m.pdu.a, len(m.pdu.binds), got)
		}
		return
	}
}
