package c2s

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp/server"
	"linnet/netsvc/xmpp/stream"
)

// owner is this edge's side of a stream that is being negotiated (stream.Owner).
type owner struct {
	edge    *edge
	conn    *flow.Conn
	stream  *stream.Stream
	user    account.Account
	session *server.Session
	epoch   uint32
}

// Authenticated looks the account up once more: it may have gone meanwhile.
func (o *owner) Authenticated(_ context.Context, who jid.JID) error {
	u, ok, err := o.edge.server.Accounts().Lookup(who.Bare())
	if err == nil && !ok {
		err = &sasl.Error{Condition: sasl.NotAuthorized}
	}
	o.user = u
	return err
}

// Features are stream management and what the extensions offer.
func (o *owner) Features() [][]byte {
	return append([][]byte{server.ManageFeature}, o.edge.server.StreamFeatures(o.user.JID.Domain())...)
}

// Bind makes the session. The resource that the server chooses is unguessable
// (RFC 6120 section 7.6).
func (o *owner) Bind(_ context.Context, resource string) (jid.JID, error) {
	if resource == "" {
		var b [9]byte
		rand.Read(b[:])
		resource = base64.RawURLEncoding.EncodeToString(b[:])
	}
	s, err := o.edge.server.Bind(o.user, resource)
	switch {
	case errors.Is(err, server.ErrTooMany):
		return jid.JID{}, stanza.NewError(stanza.ResourceConstraint, "too many clients of this account are connected")
	case errors.Is(err, server.ErrGone):
		return jid.JID{}, stream.Fail(stream.NotAuthorized, "the account is gone")
	case err != nil:
		return jid.JID{}, err
	}
	o.session = s
	return s.JID(), nil
}

// Bound attaches the connection, now that the client knows its address.
func (o *owner) Bound() { o.epoch = o.session.Attach(o.link()) }

func (o *owner) link() server.Link {
	return server.Link{Out: o.conn.Outbox(), Addr: o.conn.RemoteAddr().String(), Secure: o.stream.Secure()}
}

// Resume gives the connection to an earlier session.
func (o *owner) Resume(ctx context.Context, previous string, handled uint32) (bool, []byte, error) {
	largest := int(o.edge.stanza)
	o.conn.Outbox().SetLimit(o.edge.server.ResumeLimit(largest))
	defer func() { o.conn.Outbox().SetLimit(o.edge.server.OutboxLimit(largest)) }()
	s, epoch, err := o.edge.server.Resume(ctx, o.user.ID, previous, handled, o.link())
	var high *server.HighCount
	switch {
	case errors.Is(err, server.ErrNotResumed):
		return false, o.edge.server.NotResumed(o.user.ID, previous), nil
	case errors.As(err, &high):
		return false, nil, high.Stream()
	case err != nil:
		return false, nil, err
	}
	o.session, o.epoch = s, epoch
	return true, nil, nil
}
