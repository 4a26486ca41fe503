package abuse

import (
	"fmt"
	"testing"

	"linnet/netsvc/command"
)

const (
	notFound  = `<failed xmlns='urn:xmpp:sm:3'(?: h='\d+')?><item-not-found xmlns='` + stanzaErrors + `'/></failed>`
	malformed = `<failed xmlns='urn:xmpp:sm:3'><bad-request xmlns='` + stanzaErrors + `'/></failed>`
	tooSoon   = `<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='` + stanzaErrors + `'/>.*?</failed>`
)

func resume(id string, h any) string {
	return fmt.Sprintf("<resume xmlns='%s' previd='%s' h='%v'/>", smSpace, id, h)
}

// Nobody but its account resumes a session, and what is wrong with the request
// leaves the session as it was (XEP-0198 1.6.3, sections 5 and 6).
func TestResumptionByOthers(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "tybalt")
	romeo := n.login("romeo/orchard")
	id := romeo.manage()
	each(n, []trick{
		{"another account's", resume(id, 0), notFound},
		{"a guess", resume("x"+id[1:], 0), notFound},
		{"nothing", resume("", 0), malformed},
		{"no count", "<resume xmlns='urn:xmpp:sm:3' previd='" + id + "'/>", malformed},
		{"a count that is none", resume(id, "many"), malformed},
		{"a negative count", resume(id, -1), malformed},
		{"a count beyond 32 bits", resume(id, int64(1)<<32), malformed},
		{"management before a session", "<enable xmlns='urn:xmpp:sm:3'/>", tooSoon},
	}, trick.title, func(n *node, c trick) {
		tybalt := n.dial("plain").authenticate("tybalt")
		tybalt.send("%s", c.say)
		tybalt.expect("%s", c.want)
		tybalt.bind("street").alive() // section 5: a failure leaves the choice to bind
		romeo.t = n.t
		romeo.alive()
	})
}

// An id taken twice: the second has the session, the first is told of a conflict,
// and what it says afterwards counts for nobody.
func TestResumedTwice(t *testing.T) {
	n := start(t)
	n.accounts("romeo")
	first := n.login("romeo/orchard")
	id := first.manage()
	second := n.dial("plain").authenticate("romeo")
	n.counts(1, func() {
		second.send("%s", resume(id, 0))
		second.expect("<resumed [^>]*previd='%s'[^>]*/>", id)
	}, "resumed")
	first.send("<message to='balthasar@localhost/street' type='chat' id='stale'><body>stale</body></message>")
	first.fails("conflict")
	third := n.dial("plain").authenticate("romeo")
	third.send("%s", resume(id, 0))
	third.expect("<resumed [^>]*previd='%s'[^>]*/>", id)
	second.fails("conflict")
	third.alive()
	if got := n.metric("sessions"); got != 3 {
		t.Errorf("%d sessions, not 3", got)
	}
	n.fine() // and the stale message did not come
}

// On a stream that has a session there is nothing to resume, nor to enable twice.
func TestResumptionAfterBind(t *testing.T) {
	n := start(t)
	n.accounts("romeo")
	romeo, other := n.login("romeo/orchard"), n.login("romeo/street")
	id, own := romeo.manage(), other.manage()
	for _, id := range []string{id, own} {
		other.send("%s", resume(id, 0))
		other.expect(tooSoon)
	}
	other.send("<enable xmlns='%s' resume='true'/>", smSpace)
	other.expect(tooSoon)
	romeo.alive()
	n.fine()
}

// Who acknowledges what he was never sent is confused, or tries something: the
// stream ends, on a resumption as in the middle (section 4).
func TestCountTooHigh(t *testing.T) {
	const tooHigh = `<stream:error><undefined-condition [^>]*/>(?:<text [^>]*>[^<]*</text>)?<handled-count-too-high xmlns='urn:xmpp:sm:3' h='1000' send-count='\d+'/></stream:error></stream:stream>`
	n := start(t)
	n.accounts("romeo")
	romeo := n.login("romeo/orchard")
	romeo.manage()
	n.ends("undefined-condition", func() {
		romeo.send("<a xmlns='%s' h='1000'/>", smSpace)
		romeo.expect(tooHigh)
		romeo.end()
	})
	for _, bad := range []string{"", " h=''", " h='x'", " h='-1'", " h='4294967296'"} {
		romeo = n.login("romeo/orchard")
		romeo.manage()
		n.ends("bad-format", func() {
			romeo.send("<a xmlns='%s'%s/>", smSpace, bad)
			romeo.fails("bad-format")
		})
	}
	romeo = n.login("romeo/orchard")
	id := romeo.manage()
	romeo.conn.Close()
	thief := n.dial("plain").authenticate("romeo")
	n.ends("undefined-condition", func() {
		thief.send("%s", resume(id, 1000))
		thief.expect(tooHigh)
		thief.end()
	})
	romeo = n.dial("plain").authenticate("romeo") // the session still waits
	romeo.send("%s", resume(id, 0))
	romeo.expect("<resumed [^>]*/>")
	n.fine()
}

// A session that has ended is not resumed, however it ended.
func TestResumptionAfterTheEnd(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "mercutio")
	type ending struct {
		name string
		end  func(*node, *peer)
	}
	each(n, []ending{
		{"in order", func(n *node, p *peer) { p.send(closing); p.expect(closing); p.end() }},
		{"with an error", func(n *node, p *peer) { p.send("<x/>"); p.fails("unsupported-stanza-type") }},
		{"by another client", func(n *node, p *peer) { n.login("romeo/orchard"); p.fails("conflict") }},
		{"by an administrator", func(n *node, p *peer) {
			n.run("session end", command.Values{"jid": {"romeo@localhost"}})
			p.fails("policy-violation")
		}},
	}, func(e ending) string { return e.name }, func(n *node, e ending) {
		romeo := n.login("romeo/orchard")
		id := romeo.manage()
		e.end(n, romeo)
		again := n.dial("plain").authenticate("romeo")
		for range 2 {
			again.send("%s", resume(id, 0))
			again.expect(notFound)
		}
		again.bind("tomb").alive()
	})
	// An account made anew is somebody else.
	mercutio := n.login("mercutio/street")
	id := mercutio.manage()
	mercutio.conn.Close()
	n.run("user delete", command.Values{"jid": {"mercutio@localhost"}})
	n.accounts("mercutio")
	heir := n.dial("plain").authenticate("mercutio")
	heir.send("%s", resume(id, 0))
	heir.expect(notFound)
	n.fine()
}

// The limit of sessions of one account, tried at its number and beyond; a session
// that waits to be resumed counts.
func TestTooManySessions(t *testing.T) {
	const limit = 32
	n := start(t)
	n.accounts("romeo")
	var all []*peer
	for i := range limit {
		all = append(all, n.login(fmt.Sprint("romeo/", i)))
	}
	one := n.dial("plain").authenticate("romeo")
	bind := func(resource string) {
		one.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>", resource)
	}
	refused := `<iq type='error' id='b'><error type='wait'><resource-constraint xmlns='` + stanzaErrors + `'/>.*?</iq>`
	n.counts(2, func() {
		bind("more")
		one.expect(refused)
		all[1].manage()
		all[1].conn.Close() // waits
		bind("more")
		one.expect(refused)
	}, "sessionsRefused")
	for _, p := range all[2:] {
		p.alive()
	}
	bind("0") // in the place of another
	one.expect("<iq type='result' id='b'>.*?</iq>")
	all[0].fails("conflict")
	all[2].send(closing)
	all[2].expect(closing)
	all[2].end()
	n.until(func() bool { return n.metric("sessions") == limit-1+2 }, "the session did not end")
	n.login("romeo/more")
	n.fine()
}
