package guard

import (
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/metric"
)

// House is what a guard asks of the box that it stands in. All methods may be called by many guards at once; they
// may not block.
type House interface {
	// Realm is the realm of the credentials; at most MaxRealm bytes, the same as long as the guard lives.
	Realm() string
	// User finds who may allocate under that name now; nil when nobody may.
	User(name string, from netip.AddrPort) *User
	// Failed is told of a request under a user's name that was not signed with his key. The client owns its address: the
	// request had a nonce that was sent there.
	Failed(u *User, from netip.AddrPort)
	// Open opens a relay for a new allocation, or says with which code that is refused: 440, 486 or 508. It calls done
	// once, with one of the two: at once, or later from anywhere.
	Open(u *User, ask *Ask, done func(Relay, stun.ErrorCode))
}

// MaxRealm bounds a realm, so that the answer to a stranger is at most 150 bytes.
const MaxRealm = 64

// User is who has a credential. It is not changed once it was handed out.
type User struct {
	Name string // of the credential; what later requests for the allocation must name (RFC 8656 section 5)
	Key  []byte // MD5 of name, realm and password, RFC 8489 section 9.2.2
	Tag  any    // the house's own
}

// Ask is what a client wants of an allocation.
type Ask struct {
	From, To     netip.AddrPort // the client's end and ours
	Transport    string         // "udp", "tcp" or "tls"
	IPv6         bool           // the family of the relay
	EvenPort     bool
	DontFragment bool
	// Cut ends the allocation, soon and from anywhere. It may be called more than once, also after the end.
	Cut func()
}

// Relay is the socket of one allocation. Closing it is the guard's business. Errors of single packets are its own:
// ReadFrom fails only once it is closed, WriteTo never, since pion makes texts of errors at the speed of packets.
type Relay interface {
	net.PacketConn
	// Addr is the relayed address as the client gets it.
	Addr() netip.AddrPort
	// Buffered reports whether ReadFrom has more without waiting.
	Buffered() bool
	// Flush sends what WriteTo may have kept; it is called by the goroutine that calls WriteTo.
	Flush()
	// Permits reports whether the client may talk to that peer, whatever the port.
	Permits(peer netip.Addr) bool
}

// Options of a guard. All are needed.
type Options struct {
	House   House
	Nonces  *Nonces  // one for the box
	Limiter *Limiter // one for the box
	Count   *Counters
	// MaxCall is when an allocation ends whatever the client does.
	MaxCall time.Duration
	// Permissions and Channels bound what one allocation has.
	Permissions, Channels int
}

// Counters are what all guards of a box count in.
type Counters struct {
	Malformed *metric.Counter  // packets and frames that no client makes
	Stray     *metric.Counter  // data that belongs to no allocation, channel or permission
	Limited   *metric.Counter  // answers to strangers that were not sent
	Bindings  *metric.Counter  // answered
	Refused   *metric.Counters // requests, by error code
	Broken    *metric.Counter  // what pion refused although it should not have
	Panics    *metric.Counter  // packets that a mistake in the guard dropped
}

// NewCounters makes counters that nobody reads, for tests.
func NewCounters() *Counters {
	refused := metric.NewSet().NewGeneration().Section("turn").Counters(metric.Desc{Name: "refused", Help: "x", Labels: []string{"code"}})
	c := func() *metric.Counter { return new(metric.Counter) }
	return &Counters{Malformed: c(), Stray: c(), Limited: c(), Bindings: c(), Refused: refused, Broken: c(), Panics: c()}
}
