// Package portmap asks the router that this box stands behind to let connections through to it: by PCP (RFC 6887),
// where it has that, by NAT-PMP (RFC 6886) or by UPnP's Internet Gateway Device (IGD 1.0 and 2.0), in this order.
//
// It owns the mappings at the router and nothing else: what is to be mapped, and where others read the outcome, is
// netsvc/outside; the messages are those of netsvc/wire/pcp, natpmp and igd.
//
// # What it trusts
//
// A mapping opens a hole, and everybody in the same network can send it packets. So:
//
//   - Only ports are mapped that a service of this box wants, or that the operator named; never for another host.
//   - Only the default gateway is asked, and only it may answer: UDP sockets are connected to it, answers to a search
//     from elsewhere are dropped, and every URL in what it says must have its address.
//   - An answer counts when it fits the question (for PCP that includes the nonce); others are counted and dropped.
//   - Answers have limits in size and time. Redirections are not followed.
//
// # How it goes on
//
// Mappings are renewed at half their lifetime, and when the router announces itself. Every few minutes it is asked
// whether it has lost its memory (the epoch of RFC 6887, section 8.5; by UPnP whether one of the mappings is still
// there), and then all are made anew. On exit they are removed. A router that itself has an address which cannot be
// reached from the internet stands behind another one ("double NAT"): the mappings stay, but nothing is published.
// Routers that hide such an address refuse instead; then it can only be suspected, and `portmap show` does.
//
// # Where it deviates
//
// RFC 6887 begins with a time-out of three seconds and never gives up; here it is a quarter of a second and five
// tries, as RFC 6886 has it: the router is one hop away, and others are to be tried when it is silent. The nonce is
// not random but the hash of a secret, the router and the port: after a crash the same mapping can be renewed
// instead of being refused until it has run out. There is nothing for IPv6, and no option of PCP.
package portmap
