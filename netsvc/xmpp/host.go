package xmpp

import (
	"linnet/netsvc/account"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/store"
)

// Host is what an extension sees. The declaring methods are for Setup only.
type Host interface {
	module.Host

	Hooks() *Hooks
	IQ(IQ)

	// Nonza declares who handles first-level elements of a client's stream that
	// are not stanzas.
	Nonza(space string, handle func(Session, *xmlstream.Node))

	// Guest declares who answers requests of clients that have not logged in.
	Guest(GuestIQ)

	// Service declares somebody with addresses of its own.
	Service(*Service)

	// StreamFeature is offered to clients after authentication: make returns the
	// element for a host, nil for none. It is asked for each stream.
	StreamFeature(make func(host string) []byte)

	// Feature, Identity and Form extend the answer to disco#info at the
	// addresses of the scope; Items and Node add items and nodes.
	Disco() *Discoveries

	Flag(name string) Flag
	Slot(name string) int

	// Server is the running server, from Start on and in every hook.
	Server() Server

	// Contacts is the roster, in every hook; SetContacts is how the roster
	// extension offers itself. Without one, Contacts knows nobody.
	Contacts() Contacts
	SetContacts(Contacts)

	// SetSpool is how the offline extension offers to keep what a client has
	// not acknowledged in time.
	SetSpool(Spool)
}

// Always makes a stream feature that is the same on all hosts.
func Always(element string) func(host string) []byte {
	b := []byte(element)
	return func(string) []byte { return b }
}

// Server is what extensions can ask of the running server. All methods are safe
// for concurrent use and none waits for the store's commits.
type Server interface {
	Hosts() []string
	IsHost(domain string) bool

	// Account finds a local account, which stays in memory until its Release.
	// ok is false when there is none of that name.
	Account(bare jid.JID) (a Account, ok bool, err error)

	// Online calls f for every account with a session until f returns false.
	Online(f func(Account) bool)

	// Route sends a stanza on its way as its From, which must be one of ours: it
	// passes no Sent hook. Errors come back to nobody.
	Route(s *stanza.Stanza)

	// Accounts are the users, their credentials and roles.
	Accounts() *account.Accounts
}

// Subscription is the state of a contact, RFC 6121 section 2.1.2.5 and appendix A.
type Subscription struct {
	To, From  bool // the user gets the contact's presence; the contact gets the user's
	Ask       bool // the user's request is pending ("ask='subscribe'")
	PendingIn bool // the contact's request is pending
	Approved  bool // pre-approved, RFC 6121 section 3.4
	InRoster  bool // the contact stands in the roster as the client sees it
}

// Contacts is the roster as other extensions see it; a bare JID names a contact.
type Contacts interface {
	Contact(a Account, contact jid.JID) (Subscription, error)
	Each(a Account, f func(contact jid.JID, s Subscription) bool) error
}

// Spool keeps messages that were handed to a session and are not acknowledged,
// so that they survive the server. The offline extension provides it: what is
// left in it after a crash is delivered as offline messages.
type Spool interface {
	// Keeps reports whether the message is one to keep: others are settled when
	// they are routed.
	Keeps(s *stanza.Stanza) bool
	// Put adds the row to the batch and returns its key, which stays in flight:
	// no flush delivers it until Drop or Return.
	Put(b *store.Batch, a Account, s *stanza.Stanza) (row uint64)
	// Drop deletes the row of an acknowledged message.
	Drop(b *store.Batch, a Account, row uint64)
	// Return hands the row over to the offline messages: nobody has it in hand.
	Return(a Account, row uint64)
	// Take gets the message of a row back, in flight again, for a session that
	// comes back after a restart; nil when its time has run out.
	Take(a Account, row uint64) (*stanza.Stanza, error)
}

// Discoveries collects what service discovery answers (XEP-0030 2.5.0,
// XEP-0128 1.0.1): extensions add in Setup, the disco extension reads.
type Discoveries struct {
	Identities []ScopedIdentity
	Features   []ScopedFeature
	Forms      []ScopedForm
	Items      []func(*Request) []disco.Item
	Nodes      map[string]DiscoNode
	Services   []*Service                                // as declared with Host.Service
	OtherNodes func(r *Request, node string) *disco.Info // for nodes that are not known at Setup; nil answers: none
}

// ScopedIdentity is an identity and where it is shown.
type ScopedIdentity struct {
	Scope    Scope
	Identity disco.Identity
}

// ScopedFeature is a feature and where it is shown.
type ScopedFeature struct {
	Scope Scope
	Var   string
}

// ScopedForm makes extended information for a host, nil for none.
type ScopedForm struct {
	Scope Scope
	Make  func(host string) *form.Form
}

// DiscoNode answers at one node; either may be nil.
type DiscoNode struct {
	Info  func(*Request) (*disco.Info, *stanza.Error)
	Items func(*Request) ([]disco.Item, *stanza.Error)
}

// Identity shows an identity at the addresses of the scope.
func (d *Discoveries) Identity(scope Scope, id disco.Identity) {
	d.Identities = append(d.Identities, ScopedIdentity{scope, id})
}

// Feature shows a feature at the addresses of the scope.
func (d *Discoveries) Feature(scope Scope, v string) {
	d.Features = append(d.Features, ScopedFeature{scope, v})
}

// Form adds extended information at the addresses of the scope.
func (d *Discoveries) Form(scope Scope, make func(host string) *form.Form) {
	d.Forms = append(d.Forms, ScopedForm{scope, make})
}

// Node declares who answers at a node.
func (d *Discoveries) Node(name string, n DiscoNode) {
	if d.Nodes == nil {
		d.Nodes = map[string]DiscoNode{}
	}
	d.Nodes[name] = n
}

// Module is an extension: Setup declares. It may also be a module.Starter and a
// module.Stopper.
type Module interface {
	Setup(Host) error
}

// Info describes an extension.
type Info struct {
	Name    string   // its section is [xmpp.NAME]
	Summary string   // one line
	Specs   []string // "XEP-0199 2.0.1"
	New     func() Module
}
