package xmpp_test

import (
	"strings"
	"testing"

	"linnet/netsvc/xmpp"
)

func TestPlaces(t *testing.T) {
	at := func(prefix string) *xmpp.Service {
		return &xmpp.Service{Address: func(host string) string {
			if prefix == "" {
				return ""
			}
			return prefix + host
		}}
	}
	hosts := []string{"a.lit", "proxy.a.lit"}
	proxy, room := at("proxy."), at("room.")
	places, err := xmpp.Places([]*xmpp.Service{proxy, at(""), room, at("room."), at("x@")}, hosts)
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("faults: %v", err) // proxy.a.lit is a host, two rooms twice, x@ twice
	}
	if len(places) != 3 || places["proxy.proxy.a.lit"].Service != proxy || places["room.a.lit"].Service != room || places["room.a.lit"].Host != "a.lit" {
		t.Errorf("places %v", places)
	}
	if (xmpp.Place{}).IsReady() {
		t.Error("there is somebody nowhere")
	}
}
