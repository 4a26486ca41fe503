package xmpp

import (
	"sync/atomic"

	"linnet/netsvc/log"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/store"
)

// Scope says which addresses an IQ handler serves; bits may be joined.
type Scope uint8

const (
	ToSelf    Scope = 1 << iota // the sender's own account: no 'to', or the own bare JID
	ToAccount                   // the bare JID of any local account, asked by somebody else
	ToHost                      // a served domain
	ToService                   // the own address of any Service that does not answer itself
)

// IQ declares who answers requests with one payload element (RFC 6120 section
// 8.2.3). A type without a function is answered with feature-not-implemented
// (to a known payload: bad-request).
type IQ struct {
	Space, Local string
	To           Scope
	Get, Set     func(*Request)
	// Feature is advertised in service discovery where the handler serves: on
	// the host, on the account, or both. "" means Space; "-" means nothing.
	Feature string
	// Fresh makes a request wait for the addressed account's earlier writes.
	Fresh bool
}

// Request is one IQ get or set. It is answered exactly once, at once or later,
// from any goroutine, with Result or Fail; a second answer is dropped and
// logged.
type Request struct {
	IQ      *stanza.Stanza
	Payload *xmlstream.Node
	Session Session  // the asking client; nil when it is not one of ours
	Account Account  // the addressed account; nil at a host
	Host    string   // the addressed domain; of a Service, the domain that it serves
	Service *Service // the addressed service; nil at a host or an account

	reply    func(*stanza.Stanza)
	log      *log.Logger
	answered atomic.Bool
}

// NewRequest is for the server and for tests: reply gets the one answer.
func NewRequest(iq *stanza.Stanza, by Session, of Account, host string, log *log.Logger, reply func(*stanza.Stanza)) *Request {
	if of != nil {
		of.Retain()
	}
	return &Request{IQ: iq, Payload: iq.Payload(), Session: by, Account: of, Host: host, reply: reply, log: log}
}

// NewServiceRequest is NewRequest for a request to a service.
func NewServiceRequest(iq *stanza.Stanza, by Session, at Place, log *log.Logger, reply func(*stanza.Stanza)) *Request {
	r := NewRequest(iq, by, nil, at.Host, log, reply)
	r.Service = at.Service
	return r
}

// Result answers with the payload, which may be empty.
func (r *Request) Result(payload []byte) { r.answer(r.IQ.Result(payload)) }

// Fail answers with an error.
func (r *Request) Fail(e *stanza.Error) { r.answer(r.IQ.Fail(e)) }

// Refuse answers with the condition and its default type; text is public.
func (r *Request) Refuse(c stanza.Condition, text string) { r.Fail(stanza.NewError(c, text)) }

// Broken answers internal-server-error and logs the cause.
func (r *Request) Broken(what string, cause error) {
	r.log.Error(what, "cause", cause)
	r.Refuse(stanza.InternalServerError, "")
}

// Commit submits the batch and answers with the payload once it is durable, or
// with resource-constraint when the store failed.
func (r *Request) Commit(s *store.Store, b *store.Batch, payload []byte) {
	s.Submit(b, func(err error) { r.Committed(err, payload) })
}

// Committed answers for a commit with that outcome.
func (r *Request) Committed(err error, payload []byte) {
	if err != nil {
		r.log.Error("write failed", "cause", err)
		r.Refuse(stanza.ResourceConstraint, "the server could not store this")
		return
	}
	r.Result(payload)
}

// Answered reports whether the request has its answer.
func (r *Request) Answered() bool { return r.answered.Load() }

func (r *Request) answer(s *stanza.Stanza) {
	if r.answered.Swap(true) {
		r.log.Warn("second answer dropped", "id", r.IQ.ID)
		return
	}
	r.reply(s)
	if r.Account != nil {
		r.Account.Release()
	}
}
