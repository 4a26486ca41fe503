package private_test

import (
	"strings"
	"testing"

	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"

	_ "linnet/netsvc/xmpp/mod/private"
)

func set(content string) string {
	return `<iq type='set' id='1001'><query xmlns='jabber:iq:private'>` + content + `</query></iq>`
}

func get(content string) string {
	return `<iq type='get' id='1002'><query xmlns='jabber:iq:private'>` + content + `</query></iq>`
}

func result(content string) string {
	return `<iq type='result' id='1002'><query xmlns='jabber:iq:private'>` + content + `</query></iq>`
}

const done = `<iq type='result' id='1001'/>`

func failure(id, kind, condition string) string {
	return `<iq type='error' id='` + id + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

func TestStorage(t *testing.T) {
	data := t.TempDir()
	o := xmpptest.Options{Hosts: []string{"shakespeare.lit"}, Data: data}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		hamlet, other := s.Login("hamlet@shakespeare.lit/denmark"), s.Login("hamlet@shakespeare.lit/england")
		hamlet.Ask(get(`<exodus xmlns='exodus:prefs'/>`), result(`<exodus xmlns='exodus:prefs'/>`)) // nothing yet
		hamlet.Ask(set(`<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>`), done)
		other.Ask(get(`<exodus xmlns='exodus:prefs'/>`), result(`<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>`))
		other.Ask(set(`<exodus xmlns='exodus:prefs'><defaultnick>Prince</defaultnick></exodus>`), done)
		// The same name elsewhere and another name here are other things.
		hamlet.Ask(set(`<exodus xmlns='exodus:other'>a</exodus><more xmlns='exodus:prefs'>b</more>`), done)
		// Several of one name belong together.
		hamlet.Ask(set(`<note xmlns='urn:notes'>1</note><note xmlns='urn:notes'>2</note>`), done)
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		hamlet := s.Login("hamlet@shakespeare.lit/denmark")
		hamlet.Ask(get(`<exodus xmlns='exodus:prefs'/>`), result(`<exodus xmlns='exodus:prefs'><defaultnick>Prince</defaultnick></exodus>`))
		hamlet.Ask(get(`<exodus xmlns='exodus:other'/>`), result(`<exodus xmlns='exodus:other'>a</exodus>`))
		hamlet.Ask(get(`<more xmlns='exodus:prefs'/>`), result(`<more xmlns='exodus:prefs'>b</more>`))
		hamlet.Ask(get(`<note xmlns='urn:notes'/>`), result(`<note xmlns='urn:notes'>1</note><note xmlns='urn:notes'>2</note>`))
	})
}

// What comes back is what was kept, in whatever spelling it came.
func TestSpellings(t *testing.T) {
	for _, tc := range []struct{ name, set string }{
		{"default namespace", `<iq type='set' id='1001'><query xmlns='jabber:iq:private'><prefs xmlns='urn:x'>a<b xmlns='urn:y' c='1'/>d</prefs></query></iq>`},
		{"prefix within", `<iq type='set' id='1001'><query xmlns='jabber:iq:private'><p:prefs xmlns:p='urn:x' xmlns='urn:y'>a<b c='1'/>d</p:prefs></query></iq>`},
		{"prefix around", `<iq type='set' id='1001'><query xmlns='jabber:iq:private' xmlns:p='urn:x' xmlns:q='urn:y'><p:prefs>a<q:b c='1'/>d</p:prefs></query></iq>`},
		{"prefix of the request", `<iq type='set' id='1001'><r:query xmlns:r='jabber:iq:private' xmlns='urn:x'><prefs>a<b xmlns='urn:y' c='1'/>d</prefs></r:query></iq>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
				hamlet := s.Login("hamlet@example.com/denmark")
				hamlet.Ask(tc.set, done)
				got := hamlet
				got.Ask(get(`<prefs xmlns='urn:x'/>`), result(`<prefs xmlns='urn:x'>ad<b xmlns='urn:y' c='1'/></prefs>`))
			})
		})
	}
}

func TestErrors(t *testing.T) {
	long, tooLong := strings.Repeat("x", 1000), strings.Repeat("x", store.MaxKey)
	for _, tc := range []struct{ name, iq, answer string }{
		{"nothing to keep", set(``), failure("1001", "modify", "not-acceptable")},
		{"no namespace of its own", set(`<prefs/>`), failure("1001", "modify", "not-acceptable")},
		{"no namespace", set(`<prefs xmlns=''/>`), failure("1001", "modify", "not-acceptable")},
		{"a stanza", set(`<message xmlns='jabber:client'/>`), failure("1001", "modify", "not-acceptable")},
		{"a long name", set(`<a xmlns='` + long + `'/>`), done},
		{"too long a name", set(`<a xmlns='` + tooLong + `'/>`), failure("1001", "modify", "not-acceptable")},
		{"asking for a name that is too long", get(`<a xmlns='` + tooLong + `'/>`), result(`<a xmlns='` + tooLong + `'/>`)},
		{"asking for nothing", get(``), failure("1002", "modify", "bad-request")},
		{"asking for two", get(`<a xmlns='urn:a'/><b xmlns='urn:b'/>`), failure("1002", "modify", "bad-request")},
		{"another user's", strings.Replace(set(`<a xmlns='urn:a'/>`), "<iq", "<iq to='hamlet@example.com'", 1),
			strings.Replace(failure("1001", "cancel", "service-unavailable"), "<iq", "<iq from='hamlet@example.com'", 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
				s.Register("hamlet@example.com")
				s.Login("macbeth@example.com/castle").Ask(tc.iq, tc.answer)
			})
		})
	}
}

// The limit is on all that an account keeps; what is replaced does not count.
func TestLimit(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.private/bytes": "1KB"}}, func(t *testing.T, s *xmpptest.Server) {
		element := func(name string, n int) string { // of n bytes
			e := `<` + name + ` xmlns="urn:x"></` + name + `>`
			return strings.Replace(e, "></", ">"+strings.Repeat("x", n-len(e))+"</", 1)
		}
		hamlet := s.Login("hamlet@example.com/denmark")
		full := failure("1001", "wait", "resource-constraint")
		hamlet.Ask(set(element("a", 1025)), full)
		hamlet.Ask(set(element("a", 1024)), done)
		hamlet.Ask(set(element("b", 100)), full)
		hamlet.Ask(set(element("a", 500)), done)
		hamlet.Ask(set(element("b", 524)), done)
		hamlet.Ask(set(element("b", 525)), full)
		hamlet.Ask(set(element("b", 524)+element("c", 100)), full)
		hamlet.Ask(get(`<c xmlns='urn:x'/>`), result(`<c xmlns='urn:x'/>`))
		macbeth := s.Login("macbeth@example.com/castle")
		macbeth.Ask(set(element("a", 1024)), done)
	})
}
