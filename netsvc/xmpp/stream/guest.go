package stream

import (
	"context"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// maxRequests is how many requests of guests are answered on one stream: a form
// and some attempts to choose a name. It bounds what guessing names costs us, for
// each of which the store is read or a key derived.
const maxRequests = 10

// Guest makes a Step of a request that clients may make before they log in.
func Guest(d xmpp.GuestIQ) Step {
	return Step{
		Space: d.Space, Local: d.Local, IQ: true, Early: true,
		Offer: func(s *Stream, f *Features) {
			if el := d.Feature(s.asGuest()); el != nil {
				f.More = append(f.More, el)
			}
		},
		Handle: func(ctx context.Context, s *Stream, iq *xmlstream.Node) (Next, error) {
			id, t := iq.Attr("id"), stanza.Get
			switch iq.Attr("type") {
			case "set":
				t = stanza.Set
			case "get":
			default:
				return s.iqFailed(id, stanza.NewError(stanza.BadRequest, ""))
			}
			if id == "" || len(iq.Kids) != 1 {
				return s.iqFailed(id, stanza.NewError(stanza.BadRequest, ""))
			}
			if !s.mayAuthenticate() {
				return s.iqFailed(id, stanza.NewError(stanza.NotAuthorized, "begin TLS first"))
			}
			if s.requests++; s.requests > maxRequests { // XEP-0077 section 3.1.1 names the condition
				return s.iqFailed(id, stanza.NewError(stanza.NotAcceptable, "too many requests without logging in"))
			}
			payload, bad := d.Answer(ctx, s.asGuest(), t, iq.First())
			if bad != nil {
				return s.iqFailed(id, bad)
			}
			w := xmlstream.NewWriter(xmlstream.ClientSpace)
			w.Start(xmlstream.ClientSpace, "iq").Attr("type", "result").Attr("id", id).Raw(payload).End()
			return Continue, s.send(w.Bytes())
		},
	}
}

// asGuest is what extensions see of the client until it has logged in.
func (s *Stream) asGuest() *xmpp.Guest {
	if s.guest == nil {
		s.guest = &xmpp.Guest{Addr: s.address(), Notes: map[string]string{}}
	}
	s.guest.Host, s.guest.Secure = s.host, s.Secure()
	return s.guest
}
