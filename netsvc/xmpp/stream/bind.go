package stream

import (
	"context"
	"errors"
	"strconv"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// bind is RFC 6120 section 7.
var bind = Step{
	Space: BindSpace, Local: "bind", IQ: true,
	Offer:  func(_ *Stream, f *Features) { f.Bind = true },
	Handle: takeBind,
}

func takeBind(ctx context.Context, s *Stream, iq *xmlstream.Node) (Next, error) {
	id := iq.Attr("id")
	if iq.Attr("type") != "set" || id == "" || len(iq.Kids) != 1 {
		return s.iqFailed(id, stanza.NewError(stanza.BadRequest, ""))
	}
	full, err := s.owner.Bind(ctx, iq.First().ChildText(BindSpace, "resource"))
	var refused *stanza.Error
	var fatal *Error
	var malformed jid.Error
	switch {
	case err == nil:
	case errors.As(err, &refused):
		return s.iqFailed(id, refused)
	case errors.As(err, &malformed):
		return s.iqFailed(id, stanza.NewError(stanza.BadRequest, "the resource is not a valid one"))
	case errors.As(err, &fatal):
		return 0, fatal
	default:
		return 0, &Error{Condition: InternalServerError, Cause: err}
	}
	s.JID = full
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(xmlstream.ClientSpace, "iq").Attr("type", "result").Attr("id", id)
	w.Start(BindSpace, "bind").Leaf("", "jid", full.String()).End().End()
	if err := s.send(w.Bytes()); err != nil {
		s.owner.Bound() // the session exists, and finds its connection closed
		return 0, err
	}
	s.owner.Bound()
	return Finished, nil
}

// iqFailed answers an IQ; negotiation goes on.
func (s *Stream) iqFailed(id string, e *stanza.Error) (Next, error) {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(xmlstream.ClientSpace, "iq").Attr("type", "error").AttrIf("id", id)
	w.Raw(e.Append(nil)).End()
	return Continue, s.send(w.Bytes())
}

// resume is XEP-0198 section 5, which stands in place of bind. Its feature is
// among those of the owner.
var resume = Step{Space: manageSpace, Local: "resume", Handle: takeResume}

func takeResume(ctx context.Context, s *Stream, n *xmlstream.Node) (Next, error) {
	handled, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	if err != nil || n.Attr("previd") == "" {
		return Continue, s.send(manageFailed("bad-request"))
	}
	done, failed, err := s.owner.Resume(ctx, n.Attr("previd"), uint32(handled))
	switch {
	case err != nil && asError(err) != nil:
		return 0, err
	case err != nil:
		return 0, &Error{Condition: InternalServerError, Cause: err}
	case done:
		return Finished, nil
	case failed == nil:
		failed = manageFailed("item-not-found")
	}
	return Continue, s.send(failed)
}

func manageFailed(condition string) []byte {
	w := xmlstream.NewWriter("")
	return w.Start(manageSpace, "failed").Leaf("urn:ietf:params:xml:ns:xmpp-stanzas", condition, "").End().Bytes()
}
