package roster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/roster"
)

// state is one of the nine states of RFC 6121, appendix A.1, how juliet and romeo
// get there, and what juliet's roster shows of it.
type state struct {
	sub  xmpp.Subscription
	way  []string // stanzas in their order: ">" from juliet's client, "<" from romeo's server
	item string   // "" where no item must be
}

var states = map[string]state{
	"None":                  {},
	"None + Pending Out":    {xmpp.Subscription{Ask: true, InRoster: true}, []string{">subscribe"}, `subscription='none' ask='subscribe'`},
	"None + Pending In":     {xmpp.Subscription{PendingIn: true}, []string{"<subscribe"}, ""},
	"None + Pending Out+In": {xmpp.Subscription{Ask: true, PendingIn: true, InRoster: true}, []string{">subscribe", "<subscribe"}, `subscription='none' ask='subscribe'`},
	"To":                    {xmpp.Subscription{To: true, InRoster: true}, []string{">subscribe", "<subscribed"}, `subscription='to'`},
	"To + Pending In":       {xmpp.Subscription{To: true, PendingIn: true, InRoster: true}, []string{">subscribe", "<subscribed", "<subscribe"}, `subscription='to'`},
	"From":                  {xmpp.Subscription{From: true, InRoster: true}, []string{"<subscribe", ">subscribed"}, `subscription='from'`},
	"From + Pending Out":    {xmpp.Subscription{From: true, Ask: true, InRoster: true}, []string{"<subscribe", ">subscribed", ">subscribe"}, `subscription='from' ask='subscribe'`},
	"Both":                  {xmpp.Subscription{To: true, From: true, InRoster: true}, []string{"<subscribe", ">subscribed", ">subscribe", "<subscribed"}, `subscription='both'`},
}

// transition is one row of a table of appendix A.
type transition struct {
	outbound bool
	stanza   string
	from     string
	moves    bool // the stanza goes on
	to       string
	note     string
}

func transitions(t *testing.T) (rows []transition) {
	b, err := os.ReadFile("testdata/appendix-a.txt")
	if err != nil {
		t.Fatal(err)
	}
	var table transition
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		col := strings.Split(line, "|")
		for i := range col {
			col[i] = strings.TrimSpace(col[i])
		}
		if len(col) == 1 {
			way, kind, _ := strings.Cut(line, " ")
			table = transition{outbound: way == "outbound", stanza: kind}
			continue
		}
		row := table
		row.from, row.moves, row.to = col[0], col[1] == "MUST", col[2]
		if row.to == "=" {
			row.to = row.from
		}
		if len(col) > 3 {
			row.note = col[3]
		}
		rows = append(rows, row)
	}
	if len(rows) != 8*9 {
		t.Fatalf("%d rows, expected 8 tables of 9", len(rows))
	}
	return rows
}

// scene is juliet with a client that is both available and interested, and romeo
// on another server.
type scene struct {
	*xmpptest.Server
	juliet *xmpptest.Client
	net    *xmpptest.Peer
}

func enact(t *testing.T, f func(*testing.T, scene)) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Send(`<presence/>`)
		juliet.Send(`<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>`)
		juliet.Skip()
		f(t, scene{s, juliet, s.Peer("example.net")})
	})
}

// reach brings juliet and romeo into the state.
func (s scene) reach(name string) {
	for _, step := range states[name].way {
		s.send(step[0] == '>', step[1:])
	}
	s.juliet.Skip()
	s.net.Skip()
}

func (s scene) send(outbound bool, kind string) {
	if outbound {
		s.juliet.Send(fmt.Sprintf(`<presence id='s1' to='romeo@example.net' type='%s'/>`, kind))
	} else {
		s.net.Send(fmt.Sprintf(`<presence id='s1' from='romeo@example.net' to='juliet@example.com' type='%s'/>`, kind))
	}
}

func (s scene) subscription(t *testing.T) xmpp.Subscription {
	s.juliet.Nothing()
	sub, err := s.Contacts().Contact(s.juliet.Session().Account(), jid.MustParse("romeo@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// TestAppendixA goes through every state and every stanza, outbound and inbound.
func TestAppendixA(t *testing.T) {
	for _, row := range transitions(t) {
		way := "inbound"
		if row.outbound {
			way = "outbound"
		}
		t.Run(way+" "+row.stanza+" in "+row.from, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				s.reach(row.from)
				s.send(row.outbound, row.stanza)

				// What romeo's server gets: the stanza from the bare JID, or an answer in her name.
				switch {
				case row.outbound && row.moves:
					s.net.Expect(`<presence id='s1' from='juliet@example.com' to='romeo@example.net' type='` + row.stanza + `'/>`)
				case !row.outbound && row.note != "":
					s.net.Expect(`<presence id='s1' from='juliet@example.com' to='romeo@example.net' type='` + row.note + `'/>`)
				}
				s.net.Nothing()

				// What juliet's client gets: the stanza, and after it the push.
				if !row.outbound && row.moves {
					s.juliet.Expect(`<presence id='s1' from='romeo@example.net' to='juliet@example.com' type='` + row.stanza + `'/>`)
				}
				item, want := states[row.to].item, states[row.to].sub
				if states[row.from].sub.InRoster { // an item stays
					want.InRoster = true
				}
				if row.note == "pre-approval" {
					want.Approved, want.InRoster = true, true
				}
				if want.InRoster && item == "" {
					item = `subscription='none'`
				}
				if want.Approved {
					item += ` approved='true'`
				}
				if row.to != row.from && item != "" && visible(row) || row.note == "pre-approval" {
					s.juliet.Expect(`<iq type='set'><query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' ` + item + `/></query></iq>`)
				}
				if got := s.subscription(t); got != want {
					t.Errorf("state is %+v, expected %+v", got, want)
				}

				// What a second client finds.
				chamber := s.Login("juliet@example.com/chamber")
				result := `<iq type='result' id='r2'><query xmlns='jabber:iq:roster' ver='*'/></iq>`
				if item != "" {
					result = `<iq type='result' id='r2'><query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' ` + item + `/></query></iq>`
				}
				chamber.Ask(`<iq type='get' id='r2'><query xmlns='jabber:iq:roster'/></iq>`, result)
			})
		})
	}
}

// visible reports whether the item looks different to clients afterwards: an
// inbound request does not show in it.
func visible(row transition) bool {
	was, now := states[row.from].sub, states[row.to].sub
	was.PendingIn, now.PendingIn = false, false
	return was != now
}
