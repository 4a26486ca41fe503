// Package abuse holds the server against peers that are broken, greedy or hostile.
// It is tests only: each starts an appliance in this process, on loopback, does it
// some wrong, and wants three things: the answer that the specification names, a
// metric that tells the operator, and two bystanders who chat on all the while.
//
// What is tried, what bounds it, what it is answered with, and what counts it:
//
//	silent or slow before login    [c2s] negotiation               connection-timeout       streamErrors, clientsFailed
//	many connections without a     [c2s] unauthenticated,          closed at once           gateRefused,
//	session                        unauthenticated_per_address                              clientsUnauthenticated
//	elements, requests without a   64 elements, 10 requests of     policy-violation,        streamErrors
//	session                        a guest for each stream         not-acceptable
//	too large, deep, wide          [c2s] stanza_early, stanza;     policy-violation         streamErrors
//	                               64 deep, 64 attributes,
//	                               256 child elements
//	XML that XMPP does not have    none of it passes               restricted-xml,          streamErrors
//	                                                               not-well-formed, …
//	names of others                the session's own               invalid-from; what was   streamErrors
//	                                                               forged is cut out
//	sessions of others, of before  the account; the latest count   <failed/>,               streamErrors
//	                                                               handled-count-too-high
//	guessed passwords              3 on a stream; [account]        not-authorized, then     authFailures, authRefused
//	                               pair_failures, address_failures temporary-auth-failure
//	sessions of one account        [xmpp] sessions                 resource-constraint      sessionsRefused
//	a client that does not read    [xmpp] outbox, unacknowledged   resource-constraint;     slowClients
//	                                                               its messages wait
//	a client that does not stop    [c2s] rate, burst               it waits                 clientsSlowed
//	a large roster                 [xmpp.roster] contacts, bytes   resource-constraint      rosterFull
//	much at once for one client    48 KB of a page of the archive  the rest follows         –
//	                               or of offline messages in hand
//	malformed stanzas              RFC 6120 section 8              bad-request,             bounced
//	                                                               jid-malformed
//
// Limits are tried at their number, which passes, and at one more, which does not.
// With LINNET_ABUSE=10000 in the environment the crowd before the gate is that
// large; it is 1,000 otherwise.
package abuse
