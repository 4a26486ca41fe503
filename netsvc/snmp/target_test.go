package snmp

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
	"linnet/netsvc/wire/ber"
)

// receiver is a manager that listens: an engine of its own, which is authoritative for informs. It behaves as RFC
// 3414 says, and can be told to be deaf for a while or to lose its clock.
type receiver struct {
	t      *testing.T
	conn   *net.UDPConn
	engine engine
	user   *usm.User   // with keys of its own engine
	sender *usm.User   // with keys of the sender's
	deaf   int         // informs that are not answered
	moving atomic.Bool // each message meets another start
	forged atomic.Int32
	last   int32 // request of the last one: a repeated inform is taken once
	got    chan told
}

// What somebody without a key says in the manager's name.
const (
	forgedAnswer = 1 + iota
	forgedClock
)

type told struct {
	version int32
	tag     byte
	flags   byte
	values  []string // "oid=value", without the uptime
}

func listen(t *testing.T) *receiver {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, conn: c, got: make(chan told, 100), engine: engine{id: []byte("\x80\x00\x00\x00\x05manager"), boots: 4, start: time.Now().Add(-time.Hour)}}
	t.Cleanup(func() { c.Close() })
	return r
}

func (r *receiver) address() string { return r.conn.LocalAddr().String() }

func (r *receiver) serve() {
	in := make([]byte, maxMessage)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		if out := r.answer(in[:n]); out != nil {
			_, _ = r.conn.WriteToUDPAddrPort(out, from)
		}
	}
}

func (r *receiver) answer(packet []byte) []byte {
	var m message
	rest, err := m.header(packet)
	if err != nil {
		r.t.Errorf("malformed: % x", packet)
		return nil
	}
	if m.version == version2c {
		if err := m.pdu.parse(rest); err != nil {
			r.t.Error("malformed PDU")
		}
		return r.take(&m, func(w *writer) []byte { return w.community(version2c, m.community) })
	}
	if r.moving.Load() {
		r.engine.boots++
	}
	s := sealed{id: m.id, engine: r.engine.id, boots: r.engine.boots, time: r.engine.time(time.Now()), name: m.user, contextEngine: r.engine.id}
	user := r.user
	if m.flags&flagReportable == 0 {
		user = r.sender // a trap: the sender's engine is authoritative
	} else if !bytes.Equal(m.engine, r.engine.id) {
		return report(&s, 4)
	}
	if m.flags&flagAuth != 0 && !user.Verify(packet, m.macAt) {
		return report(&s, 5)
	}
	s.user = user
	if r.forged.Load() == forgedClock {
		s.boots += 7
		return report(&s, uint32(counters[notInWindow].id))
	}
	if m.flags&flagReportable != 0 && (m.boots != r.engine.boots || m.time+window < s.time || m.time > s.time+window) {
		s.flags = flagAuth
		return report(&s, 2)
	}
	if m.flags&flagPriv != 0 {
		encrypted, _, _ := ber.Expect(m.scoped, ber.OctetString)
		user.Decrypt(encrypted, m.boots, m.time, m.salt)
		m.scoped = encrypted
	}
	if err := m.body(m.scoped, true); err != nil {
		r.t.Error("malformed body")
		return nil
	}
	s.flags = m.flags & levelMask
	if r.forged.Load() == forgedAnswer {
		s.flags = 0
	}
	return r.take(&m, func(w *writer) []byte { return w.seal(&s) })
}

func report(s *sealed, id uint32) []byte {
	b := make([]byte, headroom, 2*headroom)
	b = appendBind(b, places[groupUSM].oid.With(id, 0), mib.Count32(1))
	w := writer{b: b, at: headroom, end: len(b)}
	w.pdu(tagReport, 0, 0, 0)
	return w.seal(s)
}

func (r *receiver) take(m *message, seal func(*writer) []byte) []byte {
	if m.pdu.tag == tagInform && r.deaf > 0 {
		r.deaf--
		return nil
	}
	one := told{version: m.version, tag: m.pdu.tag, flags: m.flags & levelMask}
	for b := m.pdu.binds; len(b) > 0; {
		name, tag, value, rest, err := nextBind(b)
		if err != nil {
			r.t.Error("malformed binding")
			return nil
		}
		parts, _ := ber.AppendParts(nil, name)
		v, _ := mib.ReadValue(tag, value)
		if oid := mib.OID(parts); oid.Compare(oidUptime) != 0 {
			one.values = append(one.values, oid.String()+"="+v.String())
		}
		b = rest
	}
	if m.pdu.id != r.last {
		r.got <- one
	}
	r.last = m.pdu.id
	if m.pdu.tag != tagInform {
		return nil
	}
	b := append(make([]byte, headroom, headroom+len(m.pdu.binds)), m.pdu.binds...)
	w := &writer{b: b, at: headroom, end: len(b)}
	w.pdu(tagResponse, m.pdu.id, 0, 0)
	return seal(w)
}

// next waits for what is told next.
func (r *receiver) next() told {
	r.t.Helper()
	select {
	case one := <-r.got:
		return one
	case <-time.After(time.Minute):
		r.t.Fatal("nothing was told")
	}
	return told{}
}

const trapOID = "1.3.6.1.6.3.1.1.4.1.0="

// tell is an agent that sends to r, and its service.
func tell(t *testing.T, r *receiver, values map[string]string) *service {
	t.Helper()
	values["snmp.target.nms/address"] = r.address()
	if values["snmp.target.nms/timeout"] == "" {
		values["snmp.target.nms/timeout"] = "5s"
	}
	values["snmp.user.noc/auth_secret"] = "a secret phrase"
	keys, err := usm.Localize(usm.SHA256, usm.AES128, "a secret phrase", "a secret phrase", r.engine.id)
	if err == nil {
		r.user, err = usm.NewUser("noc", usm.SHA256, usm.AES128, keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	running, _ := start(t, values)
	s := running.Module.(*service)
	r.sender = s.agent.access.Load().users["noc"].user
	go r.serve()
	return s
}

// idle waits until everything was told or given up.
func idle(t *testing.T, s *service) {
	t.Helper()
	one := s.agent.access.Load().targets[0]
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		one.mu.Lock()
		busy := one.busy
		one.mu.Unlock()
		if !busy {
			return
		}
	}
	t.Fatal("still telling")
}

func TestTargets(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values map[string]string
		want   told
	}{
		{"trap of version 2c", map[string]string{"community": "public"}, told{version: version2c, tag: tagTrap}},
		{"inform of version 2c", map[string]string{"community": "public", "inform": "true"}, told{version: version2c, tag: tagInform}},
		{"trap of version 3", map[string]string{"user": "noc"}, told{version: version3, tag: tagTrap, flags: flagAuth | flagPriv}},
		{"inform of version 3", map[string]string{"user": "noc", "inform": "true"}, told{version: version3, tag: tagInform, flags: flagAuth | flagPriv}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := listen(t)
			values := make(map[string]string)
			for name, value := range tc.values {
				values["snmp.target.nms/"+name] = value
			}
			tell(t, r, values)
			got := r.next()
			if got.version != tc.want.version || got.tag != tc.want.tag || got.flags != tc.want.flags || !slices.Equal(got.values, []string{trapOID + "1.3.6.1.6.3.1.1.5.1"}) {
				t.Errorf("told %+v", got)
			}
		})
	}
}

// A start of the program is a warm one in the boot of the machine in which it ran before, and a cold one in another.
func TestBegun(t *testing.T) {
	r := listen(t)
	s := tell(t, r, map[string]string{"snmp.target.nms/community": "public"})
	for turn, want := range []string{"1", "2", "1"} { // coldStart, warmStart
		if got := r.next(); got.values[0] != trapOID+"1.3.6.1.6.3.1.1.5."+want {
			t.Errorf("start %d: told %+v", turn, got)
		}
		if turn == 1 {
			if err := keep(s.host, s.table, rowBoot, []byte("another boot")); err != nil {
				t.Fatal(err)
			}
		}
		if turn < 2 {
			kept := make(chan struct{})
			s.host.Store().Barrier(func() { close(kept) })
			<-kept
			s.agent.begun(s)
		}
	}
}

// An inform is repeated until it is confirmed, also when the manager's engine has started again meanwhile.
func TestInformIsRepeated(t *testing.T) {
	r := listen(t)
	r.deaf = 2
	s := tell(t, r, map[string]string{"snmp.target.nms/user": "noc", "snmp.target.nms/inform": "true", "snmp.target.nms/timeout": "100ms", "snmp.target.nms/retries": "100"})
	r.next()
	s.agent.standard("warmStart", warmStart)
	if got := r.next(); got.values[0] != trapOID+"1.3.6.1.6.3.1.1.5.2" {
		t.Errorf("told %+v", got)
	}
	idle(t, s)
	old := s.agent.access.Load().targets[0]
	old.remote.boots-- // as if the manager had started again
	s.agent.standard("warmStart", warmStart)
	if got := r.next(); got.values[0] != trapOID+"1.3.6.1.6.3.1.1.5.2" {
		t.Errorf("told %+v", got)
	}
	idle(t, s)
	if old.remote.boots != r.engine.boots || s.agent.lost.Load() != 0 || s.agent.sent.Load() != 3 {
		t.Errorf("boots %d, %d lost, %d sent", old.remote.boots, s.agent.lost.Load(), s.agent.sent.Load())
	}
}

// To learn the manager's clock is no repetition: also without any it is told after that manager has started again.
func TestInformIsNotLostToTheClock(t *testing.T) {
	r := listen(t)
	s := tell(t, r, map[string]string{"snmp.target.nms/user": "noc", "snmp.target.nms/inform": "true", "snmp.target.nms/retries": "0"})
	r.next()
	idle(t, s)
	one := s.agent.access.Load().targets[0]
	for _, change := range []func(){
		func() { one.remote.boots-- },
		func() { one.remote.id = append([]byte("another "), one.remote.id...) },
	} {
		change()
		s.agent.standard("warmStart", warmStart)
		idle(t, s)
	}
	// What was learned goes on by itself.
	one.remote.time -= 2 * window
	one.remote.at = one.remote.at.Add(-2 * window * time.Second)
	learned := one.remote.at
	s.agent.standard("warmStart", warmStart)
	idle(t, s)
	if one.remote.at != learned {
		t.Error("the manager was asked for its clock again")
	}
	if s.agent.lost.Load() != 0 || s.agent.sent.Load() != 4 {
		t.Errorf("%d lost, %d sent", s.agent.lost.Load(), s.agent.sent.Load())
	}
}

// Who has no key confirms nothing and sets no clock.
func TestForgedAnswers(t *testing.T) {
	r := listen(t)
	s := tell(t, r, map[string]string{"snmp.target.nms/user": "noc", "snmp.target.nms/inform": "true", "snmp.target.nms/timeout": "100ms", "snmp.target.nms/retries": "50"})
	r.next()
	idle(t, s)
	one := s.agent.access.Load().targets[0]
	one.retries = 0
	for n, kind := range []int32{forgedAnswer, forgedClock} {
		r.forged.Store(kind)
		s.agent.standard("warmStart", warmStart)
		idle(t, s)
		if s.agent.lost.Load() != uint32(n+1) || s.agent.sent.Load() != 1 || one.remote.boots != r.engine.boots {
			t.Errorf("%d lost, %d sent, boots %d", s.agent.lost.Load(), s.agent.sent.Load(), one.remote.boots)
		}
	}
}

// A manager that has another clock each time is given up all the same.
func TestInformToMovingClock(t *testing.T) {
	r := listen(t)
	s := tell(t, r, map[string]string{"snmp.target.nms/user": "noc", "snmp.target.nms/inform": "true", "snmp.target.nms/retries": "1"})
	r.next()
	idle(t, s)
	r.moving.Store(true)
	s.agent.standard("warmStart", warmStart)
	idle(t, s)
	if s.agent.lost.Load() != 1 || s.agent.sent.Load() != 1 {
		t.Errorf("%d lost, %d sent", s.agent.lost.Load(), s.agent.sent.Load())
	}
}

// What nobody confirms is given up, and the next one is told.
func TestInformIsGivenUp(t *testing.T) {
	r := listen(t)
	r.deaf = 3
	s := tell(t, r, map[string]string{"snmp.target.nms/community": "c", "snmp.target.nms/inform": "true", "snmp.target.nms/timeout": "100ms", "snmp.target.nms/retries": "2"})
	idle(t, s)
	s.agent.standard("warmStart", warmStart)
	if got := r.next(); got.values[0] != trapOID+"1.3.6.1.6.3.1.1.5.2" || s.agent.lost.Load() != 1 {
		t.Errorf("told %+v, %d lost", got, s.agent.lost.Load())
	}
}

// Only so many wait.
func TestQueueIsBounded(t *testing.T) {
	running, _ := start(t, map[string]string{"snmp.target.nms/address": "127.0.0.1:1", "snmp.target.nms/community": "c", "snmp.target.nms/inform": "true", "snmp.target.nms/timeout": "1m"})
	s := running.Module.(*service)
	target := s.agent.access.Load().targets[0]
	for range 2 * maxWaiting {
		s.agent.standard("warmStart", warmStart)
	}
	target.mu.Lock()
	defer target.mu.Unlock()
	if len(target.waiting) != maxWaiting || s.agent.lost.Load() == 0 {
		t.Errorf("%d wait, %d lost", len(target.waiting), s.agent.lost.Load())
	}
}

// An event has the values that LINNET-MIB has numbers for; persons only where nobody else can read.
func TestEvents(t *testing.T) {
	desc := event.Desc{Name: "certificateExpiring", Severity: event.Warning, Help: "A certificate ends soon.",
		Fields: []event.Field{{Name: "domain"}, {Name: "hours", Kind: event.Number}, {Name: "path", Kind: event.Person}, {Name: "unnumbered"}}}
	const fields = "1.3.6.1.4.1.8072.9999.9999.2."
	for _, values := range []map[string]string{
		{"snmp.target.nms/community": "public"},
		{"snmp.target.nms/user": "noc"},
	} {
		r := listen(t)
		private := values["snmp.target.nms/user"] != ""
		s := tell(t, r, values)
		r.next() // coldStart
		source := event.Declare(s.host, desc)
		source.Raise("example.org", 48, "romeo")
		raised := r.next()
		source.Clear("example.org")
		over := r.next()
		want := []string{trapOID + "1.3.6.1.4.1.8072.9999.9999.0.6", fields + `6.0="example.org"`, fields + "7.0=48", fields + "9.0=1", fields + `10.0="A certificate ends soon."`}
		if private {
			want = append(want, fields+`3.0="romeo"`)
		}
		if !slices.Equal(raised.values, want) {
			t.Errorf("told %q, want %q", raised.values, want)
		}
		if got := strings.Join(over.values, " "); !strings.Contains(got, fields+"9.0=2") || !strings.Contains(got, "Over: A cert") {
			t.Errorf("told %q", got)
		}
	}
}

// Messages that are not authentic are told, not each of them.
func TestAuthenticationFailure(t *testing.T) {
	r := listen(t)
	s := tell(t, r, map[string]string{"snmp.target.nms/community": "public"})
	r.next()
	d := newDesk(s.agent)
	strange := request(testDesk(t), version2c, "", false, tagGet, nil)
	for range 50 {
		d.answer(bytes.Clone(strange), netip.MustParseAddr("192.0.2.1"))
	}
	if got := r.next(); got.values[0] != trapOID+"1.3.6.1.6.3.1.1.5.5" {
		t.Errorf("told %+v", got)
	}
	idle(t, s)
	if n := s.agent.sent.Load(); n > 3 {
		t.Errorf("%d told", n)
	}
	s.agent.traps.Store(false)
	s.agent.lastRefusal.Store(0)
	d.answer(bytes.Clone(strange), netip.MustParseAddr("192.0.2.1"))
	if s.agent.lastRefusal.Load() != 0 {
		t.Error("told although switched off")
	}
}
