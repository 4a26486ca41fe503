package portmap

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// serveLines is a router with several lines, of which only /line2 is up. asked gathers the calls.
func serveLines(t *testing.T, description string, asked *[]string) (search netip.AddrPort) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /desc.xml", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, description) })
	mux.HandleFunc("POST /", func(w http.ResponseWriter, q *http.Request) {
		_, action, _ := strings.Cut(strings.Trim(q.Header.Get("SOAPAction"), `"`), "#")
		*asked = append(*asked, q.URL.Path+" "+action)
		value := "<NewConnectionStatus>Disconnected</NewConnectionStatus>"
		if q.URL.Path == "/line2" {
			value = "<NewConnectionStatus>Connected</NewConnectionStatus><NewExternalIPAddress>9.9.9.9</NewExternalIPAddress>"
		}
		fmt.Fprintf(w, "<e><b><%sResponse>%s</%[1]sResponse></b></e>", action, value)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return newRouter(t).respond("127.0.0.1:0", server.URL+"/desc.xml")
}
