// Package natlab is a laboratory of routers: network namespaces with translators between them, in which the program
// and its clients stand where a home or an office would put them.
//
// It is about what one machine with one address cannot show: which path two clients find through which kinds of
// translator, that the box behind a router gets ports mapped by a router that others wrote (miniupnpd), that data is
// relayed for those who may, and for nobody else.
//
// The tests need root, `ip netns` and nft, and are started by `make interop` (tinytests/interop/natlab), which sets
// LINNET_NATLAB to the program; otherwise they are skipped and say so. All traffic stays in the namespaces, which
// have no way out: their internet is a bridge, whose addresses look public because the program treats others as
// unreachable.
package natlab
