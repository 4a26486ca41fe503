// Package sasl owns the server side of SASL (RFC 4422) as state machines: what
// a client said goes in, what it must be told comes out. It has no connection,
// store or clock; credentials come from the caller's [Directory], and what is
// known of the TLS channel from [Options].
//
// The mechanisms are SCRAM (RFC 5802, RFC 7677 and, for SHA-512,
// draft-melnikov-scram-sha-512) with and without channel binding, of the types
// tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929); PLAIN
// (RFC 4616); and EXTERNAL (RFC 4422 appendix A). Errors are the conditions of
// RFC 6120 section 6.5. User names are prepared as local parts of addresses
// (RFC 7622), passwords by the OpaqueString profile of RFC 8265.
//
// # Why SCRAM is written here
//
// github.com/xdg-go/scram, the client in our tests, has a server side too, with
// SHA-512, stored keys and both types of channel binding. What it lacks:
//
//   - A conversation is made for one type of channel binding, so the first
//     message would have to be read before there is somebody to read it.
//   - A -PLUS mechanism and its plain sibling are the same to it: "p" is
//     accepted where the client chose a mechanism that does not bind.
//   - User names stay escaped, nonces and names are not checked against the
//     grammar, line breaks are accepted in base64.
//   - An unknown user ends the exchange at the first message, unless the
//     caller makes keys up and remembers that it did.
//   - Errors are SCRAM's own, where XMPP needs a SASL condition.
//   - It links SASLprep, which RFC 8265 replaced: 200 KB of a MIPS program,
//     and maps that every start of the program builds.
//
// # What an attacker learns
//
// An unknown user gets a salt derived from the server's secret, the same at
// each try, and fails with not-authorized after the same work as a wrong
// password does. That a name does not exist can still show where an account has
// an iteration count other than [Options].Iterations, or where the caller's
// Directory takes longer for one than for the other.
package sasl

import (
	"io"
	"slices"
	"strings"

	"linnet/netsvc/wire/jid"
)

// MaxMessage is the longest message of a client that is looked at, in bytes
// before base64. The longest that is legal, a name and an authzid of the
// greatest length with every byte escaped, has less than 12 KiB; nobody has
// such a name.
const MaxMessage = 8 << 10

// minSecret is the least length of Options.Secret, in bytes.
const minSecret = 16

// errSecret is a fault of the caller, which must not become a server whose
// fake salts anybody can compute.
const errSecret = constError("sasl: Options.Secret is too short")

// Directory resolves what a client claims. Its methods are called from Step,
// so they may block as long as the caller of Step may.
type Directory interface {
	// Keys returns the keys of an account for one hash. ErrUnknownUser means
	// that the account, or its keys for this hash, do not exist. Any other
	// error ends the exchange: an *Error as it is, the rest as
	// temporary-auth-failure.
	Keys(user jid.JID, hash Hash) (Keys, error)
	// Admit has the last word after the client proved to be user: only then
	// may it learn that the account is disabled or the password too old. An
	// error is treated as one of Keys.
	Admit(user jid.JID) error
}

// Options say what a connection offers. They are not changed here, and may be
// shared by all connections as far as they do not differ.
type Options struct {
	// Host is the domain whose accounts are meant: user names are local parts
	// at it.
	Host jid.JID
	// Directory resolves accounts. Without it only EXTERNAL is offered.
	Directory Directory
	// Hashes are those that new accounts have keys for; none means all.
	Hashes []Hash
	// Plain permits the PLAIN mechanism. It must not be set on a channel that
	// is not encrypted.
	Plain bool
	// Bindings are the channel bindings that the connection has. When there
	// are any, the -PLUS mechanisms are offered, and a client that says it saw
	// none is the victim of somebody in between.
	Bindings []Binding
	// BindingRequired withdraws all mechanisms that do not bind to the channel
	// and check a password.
	BindingRequired bool
	// External checks what the peer's certificate vouches for; nil when it
	// showed none. authzid is zero when the peer asked for nothing in
	// particular. It returns the address that the peer is from now on, having
	// made sure that it may be admitted; an error is treated as one of
	// Directory.Keys.
	External func(authzid jid.JID) (jid.JID, error)
	// Secret, of at least 16 bytes, makes the salts of accounts that do not
	// exist. It must outlive a restart, or they would give themselves away.
	Secret []byte
	// Iterations is the count that accounts usually have, for those that do
	// not exist; 0 means DefaultIterations.
	Iterations int
	// Random makes nonces; nil means crypto/rand.
	Random io.Reader
}

// The names of the mechanisms that are not SCRAM; see Hash.Mechanism for those.
const (
	External = "EXTERNAL"
	Plain    = "PLAIN"
)

// Offer returns the names of the mechanisms that New accepts with o, the one
// to prefer first. What is announced and what is served cannot differ.
func (o *Options) Offer() []string {
	var names []string
	if o.External != nil {
		names = append(names, External)
	}
	if o.Directory == nil {
		return names
	}
	hashes := o.hashes()
	if len(o.Bindings) > 0 {
		for _, hash := range hashes {
			names = append(names, hash.Mechanism(true))
		}
	}
	if o.BindingRequired {
		return names
	}
	for _, hash := range hashes {
		names = append(names, hash.Mechanism(false))
	}
	if o.Plain {
		names = append(names, Plain)
	}
	return names
}

// hashes returns the hashes in use, the strongest first.
func (o *Options) hashes() []Hash {
	all := []Hash{SHA512, SHA256, SHA1}
	if len(o.Hashes) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(hash Hash) bool { return !slices.Contains(o.Hashes, hash) })
}

// Exchange is one attempt of a peer to authenticate. One goroutine owns it.
type Exchange struct {
	name     string
	machine  machine
	begun    bool
	over     bool
	claimed  jid.JID
	identity jid.JID
}

// machine is what differs between mechanisms: step takes one message of the
// client, which is not nil.
type machine interface {
	step(x *Exchange, in []byte) (out []byte, done bool, err error)
}

// New begins an exchange by the mechanism that the client named. The error is
// an *Error: invalid-mechanism for one that is not offered, or
// mechanism-too-weak for one that only this channel does not permit.
func New(name string, o *Options) (*Exchange, error) {
	if !slices.Contains(o.Offer(), name) {
		if name == Plain || o.BindingRequired && strings.HasPrefix(name, "SCRAM-") {
			return nil, fail(MechanismTooWeak, "")
		}
		return nil, fail(InvalidMechanism, "")
	}
	if len(o.Secret) < minSecret && name != External {
		return nil, wrap(TemporaryAuthFailure, errSecret)
	}
	x := &Exchange{name: name}
	switch name {
	case External:
		x.machine = &external{options: o}
	case Plain:
		x.machine = &plain{options: o}
	default:
		x.machine = newSCRAM(name, o)
	}
	return x, nil
}

// Step takes the next message of the client, decoded from base64, and returns
// the server's. A nil message says that the client sent no initial response;
// it is legal at the first step only. While done is false, out is a challenge;
// when it is true the client is authenticated, and out, unless nil, is data to
// go with the success.
//
// The error is always an *Error, and ends the exchange.
func (x *Exchange) Step(in []byte) (out []byte, done bool, err error) {
	switch {
	case x.over:
		return nil, false, fail(MalformedRequest, "the exchange is over")
	case in == nil && x.begun:
		x.over = true
		return nil, false, fail(MalformedRequest, "")
	case in == nil:
		// In all our mechanisms the client speaks first: an empty challenge
		// asks it to.
		x.begun = true
		return []byte{}, false, nil
	case len(in) > MaxMessage:
		x.over = true
		return nil, false, fail(MalformedRequest, "too long")
	}
	x.begun = true
	out, done, err = x.machine.step(x, in)
	if done || err != nil {
		x.over = true
	}
	if err != nil {
		x.identity = jid.JID{}
		return nil, false, err
	}
	return out, done, nil
}

// Abort is the answer to a client that gives up.
func (x *Exchange) Abort() error {
	x.over = true
	return fail(Aborted, "")
}

// Name returns the mechanism's name.
func (x *Exchange) Name() string { return x.name }

// Claimed returns whom the client says it is, from its first message on, or
// no address: to count failures by. It is not proven.
func (x *Exchange) Claimed() jid.JID { return x.claimed }

// Identity returns whom the client proved to be once Step said done, and no
// address before.
func (x *Exchange) Identity() jid.JID { return x.identity }

// claim prepares a user name and holds the address that the client wants to
// act as, if any, against it.
func (x *Exchange) claim(o *Options, user, authzid string) error {
	if user == "" {
		return fail(MalformedRequest, "")
	}
	address, err := jid.New(user, o.Host.Domain(), "")
	if err != nil {
		// No account has such a name, which the client may know.
		return wrap(NotAuthorized, err)
	}
	if authzid != "" {
		// RFC 6120 section 6.3.8: a bare address. Nobody acts for others.
		as, err := jid.Parse(authzid)
		if err != nil || as != address {
			return wrap(InvalidAuthzid, err)
		}
	}
	x.claimed = address
	return nil
}

// admit ends an exchange whose client proved to be the one it claimed to be.
func (x *Exchange) admit(o *Options) error {
	if err := o.Directory.Admit(x.claimed); err != nil {
		return classify(err)
	}
	x.identity = x.claimed
	return nil
}
