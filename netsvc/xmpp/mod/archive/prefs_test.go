package archive_test

import (
	"fmt"
	"strings"
	"testing"

	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// prefs are preferences with the names on both lists.
func prefs(usual, always, never string) string {
	b := `<prefs xmlns='urn:xmpp:mam:2' default='` + usual + `'><always>`
	for name := range strings.FieldsSeq(always) {
		b += `<jid>` + name + `</jid>`
	}
	b += `</always><never>`
	for name := range strings.FieldsSeq(never) {
		b += `<jid>` + name + `</jid>`
	}
	return b + `</never></prefs>`
}

func setPrefs(p string) string { return `<iq type='set' id='juliet3'>` + p + `</iq>` }

func hasPrefs(id, p string) string { return `<iq type='result' id='` + id + `'>` + p + `</iq>` }

const getPrefs = `<iq type='get' id='juliet2'><prefs xmlns='urn:xmpp:mam:2'/></iq>`

// Examples 1, 2, 4 and 5 of XEP-0441.
func TestPreferences(t *testing.T) {
	o := capulet("default", "roster")
	o.Data = t.TempDir()
	chosen := prefs("never", "romeo@montague.lit", "montague@montague.lit")
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		juliet.Ask(getPrefs, hasPrefs("juliet2", prefs("roster", "", "")))
		juliet.Ask(setPrefs(chosen), hasPrefs("juliet3", chosen))
		juliet.Ask(getPrefs, hasPrefs("juliet2", chosen))
		s.Login("nurse@capulet.lit/x").Ask(getPrefs, hasPrefs("juliet2", prefs("roster", "", "")))
		// Lists that are not there are empty, names are prepared, and what is unknown is
		// no name.
		juliet.Ask(setPrefs(`<prefs xmlns='urn:xmpp:mam:2' default='always'/>`), hasPrefs("juliet3", prefs("always", "", "")))
		juliet.Ask(setPrefs(`<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>Romeo@MONTAGUE.lit</jid><x xmlns='urn:example'>@</x></always>
			<never><jid>montague@montague.lit</jid></never></prefs>`), hasPrefs("juliet3", chosen))
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) { // as after a restart
		juliet := s.Login("juliet@capulet.lit/balcony")
		juliet.Ask(getPrefs, hasPrefs("juliet2", chosen))
		s.Reload(map[string]string{"xmpp.archive/default": "always"})
		juliet.Ask(getPrefs, hasPrefs("juliet2", chosen))
		s.Login("nurse@capulet.lit/x").Ask(getPrefs, hasPrefs("juliet2", prefs("always", "", "")))
	})
}

func TestBadPreferences(t *testing.T) {
	names := func(n int) (list string) {
		for i := range n {
			list += fmt.Sprintf(" c%d@montague.lit", i)
		}
		return list
	}
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		full := prefs("always", names(200), names(200))
		juliet.Ask(setPrefs(full), hasPrefs("juliet3", full))
		for _, tc := range []struct{ name, prefs, kind, condition string }{
			{"no default", `<prefs xmlns='urn:xmpp:mam:2'/>`, "modify", "bad-request"},
			{"an unknown default", prefs("sometimes", "", ""), "modify", "bad-request"},
			{"no address", prefs("always", "@", ""), "modify", "jid-malformed"},
			{"an empty address", `<prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid/></never></prefs>`, "modify", "jid-malformed"},
			{"too many to archive", prefs("always", names(201), ""), "wait", "resource-constraint"},
			{"too many not to", prefs("always", "", names(201)), "wait", "resource-constraint"},
		} {
			juliet.Ask(setPrefs(tc.prefs), `<iq type='error' id='juliet3'><error type='`+tc.kind+`'><`+tc.condition+` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
		}
		juliet.Ask(getPrefs, hasPrefs("juliet2", full))
	})
}

// Section 2: which conversations are archived. Both ways count alike.
func TestMatching(t *testing.T) {
	const bare, full, other = "romeo@montague.lit", "romeo@montague.lit/orchard", "romeo@montague.lit/street"
	for _, tc := range []struct {
		name          string
		prefs         string // "" for a user who did not choose
		usual         string // the operator's default
		known         bool   // romeo stands in the roster
		kept, keptToo bool   // with his client at the orchard, and with the other
	}{
		{name: "the operator's always", usual: "always", kept: true, keptToo: true},
		{name: "the operator's never", usual: "never"},
		{name: "the operator's roster, a stranger", usual: "roster"},
		{name: "the operator's roster, a contact", usual: "roster", known: true, kept: true, keptToo: true},
		{name: "always", prefs: prefs("always", "", ""), usual: "never", kept: true, keptToo: true},
		{name: "never", prefs: prefs("never", "", ""), usual: "always"},
		{name: "roster, a stranger", prefs: prefs("roster", "", ""), usual: "always"},
		{name: "roster, a contact", prefs: prefs("roster", "", ""), usual: "never", known: true, kept: true, keptToo: true},
		{name: "always him", prefs: prefs("never", bare, ""), usual: "always", kept: true, keptToo: true},
		{name: "always his client", prefs: prefs("never", full, ""), usual: "always", kept: true},
		{name: "always another client", prefs: prefs("never", other, ""), usual: "always", keptToo: true},
		{name: "never him", prefs: prefs("always", "", bare), usual: "always"},
		{name: "never his client", prefs: prefs("always", "", full), usual: "always", keptToo: true},
		{name: "never a contact's client", prefs: prefs("roster", "", full), usual: "always", known: true, keptToo: true},
		{name: "never him, but a client", prefs: prefs("always", full, bare), usual: "always"},
		{name: "always him, but a client", prefs: prefs("never", bare, full), usual: "always", keptToo: true},
		{name: "others", prefs: prefs("always", "", "nurse@capulet.lit montague.lit"), usual: "always", kept: true, keptToo: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, capulet("default", tc.usual), func(t *testing.T, s *xmpptest.Server) {
				juliet, peer := s.Login("juliet@capulet.lit/balcony"), s.Peer("montague.lit")
				s.Subscribe("juliet@capulet.lit", bare, xmpp.Subscription{InRoster: tc.known, PendingIn: true})
				if tc.prefs != "" {
					juliet.Ask(setPrefs(tc.prefs), hasPrefs("juliet3", tc.prefs))
				}
				var want []string
				for _, client := range []struct {
					jid  string
					kept bool
				}{{full, tc.kept}, {other, tc.keptToo}} {
					juliet.Send(say(client.jid, "to:"+client.jid))
					peer.Send(`<message from='` + client.jid + `' to='juliet@capulet.lit' type='chat'><body>from:` + client.jid + `</body></message>`)
					if client.kept {
						want = append(want, "to:"+client.jid, "from:"+client.jid)
					}
				}
				ask(t, juliet, "").expect(t, strings.Join(want, " "), true)
			})
		})
	}
}
