// Package time tells what time it is at the server: Entity Time, XEP-0202 2.0.
//
// A board without a battery starts in 1970: until its clock has been set it tells
// no time rather than a wrong one.
package time

import (
	"time"

	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "urn:xmpp:time"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "time",
		Summary: "tells the server's time",
		Specs:   []string{"XEP-0202 2.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct{ host xmpp.Host }

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	h.IQ(xmpp.IQ{Space: space, Local: "time", To: xmpp.ToHost, Get: m.get})
	return nil
}

func (m *module) get(r *xmpp.Request) {
	now := time.Now()
	if !stamp.IsSet(now, m.host.Store().Options().Built) {
		r.Refuse(stanza.ResourceConstraint, "the clock has not been set yet")
		return
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "time").Leaf("", "tzo", now.Format("-07:00")).Leaf("", "utc", stamp.FormatSeconds(now)).End()
	r.Result(w.Bytes())
}
