// Package last tells when somebody was last there, and how long the server has
// been running: Last Activity, XEP-0012 2.0.
//
// The moments are the account package's (account.Activity); this package decides
// who may know them. Requests to a client go to the client.
package last

import (
	"context"
	"strconv"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "jabber:iq:last"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "last",
		Summary: "tells contacts when somebody was last there",
		Specs:   []string{"XEP-0012 2.0"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host  xmpp.Host
	start *start
}

// start is when the server began to run, the same for all generations.
type start struct{ at time.Time }

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.start = module.Live(h, "last", func() *start { return new(start) })
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToHost | xmpp.ToSelf | xmpp.ToAccount, Get: m.get})
	return nil
}

// Start implements module.Starter.
func (m *extension) Start(context.Context) error {
	m.start.at = time.Now()
	return nil
}

func (m *extension) get(r *xmpp.Request) {
	switch {
	case r.Account == nil:
		answer(r, m.start.at, "") // section 5
	case !m.allowed(r):
	case len(r.Account.Sessions()) > 0:
		answer(r, time.Now(), "") // section 3, last paragraph
	default:
		m.absent(r)
	}
}

// allowed refuses who may not see the account's presence, section 3: clients of this
// server learn why, everybody else gets the answer of an account that is not there.
func (m *extension) allowed(r *xmpp.Request) bool {
	asker := r.IQ.From.Bare()
	if asker == r.Account.JID() {
		return true
	}
	sub, err := m.host.Contacts().Contact(r.Account, asker)
	switch {
	case err != nil:
		r.Broken("contacts cannot be read", err)
	case sub.From:
		return true
	case r.Session != nil:
		r.Refuse(stanza.Forbidden, "")
	default:
		r.Refuse(stanza.ServiceUnavailable, "")
	}
	return false
}

// absent answers for an account without a client.
func (m *extension) absent(r *xmpp.Request) {
	activity, err := m.host.Server().Accounts().Activity(r.Account.ID())
	switch {
	case err != nil:
		r.Broken("last activity cannot be read", err)
	case activity.Logout.IsZero():
		r.Refuse(stanza.ItemNotFound, "never seen")
	default:
		answer(r, activity.Logout, activity.Status)
	}
}

// answer tells how long ago it was. A clock that was set back makes that 0 at least.
func answer(r *xmpp.Request, since time.Time, status string) {
	seconds := max(0, time.Since(since)/time.Second)
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").Attr("seconds", strconv.FormatInt(int64(seconds), 10)).Text(status)
	r.Result(w.End().Bytes())
}
