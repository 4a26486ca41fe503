package snmp

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
)

var info = module.Info{Name: "snmp", Summary: "SNMP.", New: func() module.Module { return new(service) }}

// users is one user for each pair of algorithms, and some others.
func users() map[string]string {
	values := map[string]string{
		"snmp.user.nobody/auth": "none", "snmp.user.nobody/priv": "none",
		"snmp.user.writer/auth_secret": "writer secret", "snmp.user.writer/role": "operator",
		"snmp.user.narrow/auth_secret": "narrow secret", "snmp.user.narrow/view": "narrow", "snmp.user.narrow/role": "operator",
		"snmp.view.narrow/include": "1.3.6.1.6.3.10,1.3.6.1.2.1.11.1.0", "snmp.view.narrow/exclude": "1.3.6.1.6.3.10.2.1.2",
		"snmp.community.old/name": "old community", "snmp.community.old/sources": "127.0.0.0/8,::1",
		"snmp.community.far/name": "far community", "snmp.community.far/sources": "192.0.2.0/24",
	}
	for _, auth := range []string{"sha1", "sha224", "sha256", "sha384", "sha512"} {
		for _, priv := range []string{"none", "aes128", "aes192", "aes256", "aes192c", "aes256c"} {
			section := "snmp.user." + auth + "_" + priv
			values[section+"/auth"], values[section+"/priv"] = auth, priv
			values[section+"/auth_secret"], values[section+"/priv_secret"] = "auth pass phrase", "priv pass phrase"
		}
	}
	return values
}

// start runs the service and returns where it listens.
func start(t testing.TB, values map[string]string) (*moduletest.Running, *net.UDPAddr) {
	t.Helper()
	r := moduletest.Start(t, info, moduletest.Options{Values: values})
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done, serve := make(chan struct{}), r.Listener("snmp").Packets
	go func() {
		defer close(done)
		serve(c)
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return r, c.LocalAddr().(*net.UDPAddr)
}

// sources numbers the managers: each has an address of its own, as Reports are limited for each.
var sources atomic.Uint32

// manager is gosnmp, patient.
func manager(t testing.TB, addr *net.UDPAddr, change func(*gosnmp.GoSNMP)) *gosnmp.GoSNMP {
	t.Helper()
	g := &gosnmp.GoSNMP{Target: addr.IP.String(), Port: uint16(addr.Port), Transport: "udp", Version: gosnmp.Version2c,
		Community: "old community", Timeout: 20 * time.Second, MaxOids: 100}
	n := sources.Add(1) + 1
	g.LocalAddr = fmt.Sprintf("127.%d.%d.%d:0", 1+n>>16, byte(n>>8), byte(n))
	change(g)
	if err := g.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Conn.Close() })
	return g
}

func v3(name string, auth gosnmp.SnmpV3AuthProtocol, authSecret string, priv gosnmp.SnmpV3PrivProtocol, privSecret string) func(*gosnmp.GoSNMP) {
	return func(g *gosnmp.GoSNMP) {
		g.Version, g.SecurityModel, g.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.NoAuthNoPriv
		if auth != gosnmp.NoAuth {
			g.MsgFlags = gosnmp.AuthNoPriv
		}
		if priv != gosnmp.NoPriv {
			g.MsgFlags = gosnmp.AuthPriv
		}
		g.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: name, AuthenticationProtocol: auth, AuthenticationPassphrase: authSecret,
			PrivacyProtocol: priv, PrivacyPassphrase: privSecret}
	}
}

const (
	packetsOID = ".1.3.6.1.2.1.11.1.0"
	engineOID  = ".1.3.6.1.6.3.10.2.1.1.0"
	bootsOID   = ".1.3.6.1.6.3.10.2.1.2.0"
	serialOID  = ".1.3.6.1.6.3.1.1.6.1.0"
	trapsOID   = ".1.3.6.1.2.1.11.30.0"
)

// gosnmp gets an answer with every algorithm.
func TestAlgorithms(t *testing.T) {
	_, addr := start(t, users())
	auths := []gosnmp.SnmpV3AuthProtocol{gosnmp.SHA, gosnmp.SHA224, gosnmp.SHA256, gosnmp.SHA384, gosnmp.SHA512}
	privs := []gosnmp.SnmpV3PrivProtocol{gosnmp.NoPriv, gosnmp.AES, gosnmp.AES192, gosnmp.AES256, gosnmp.AES192C, gosnmp.AES256C}
	for i, auth := range []string{"sha1", "sha224", "sha256", "sha384", "sha512"} {
		for n, priv := range []string{"none", "aes128", "aes192", "aes256", "aes192c", "aes256c"} {
			g := manager(t, addr, v3(auth+"_"+priv, auths[i], "auth pass phrase", privs[n], "priv pass phrase"))
			answer, err := g.Get([]string{engineOID, packetsOID})
			if err != nil {
				t.Errorf("%s %s: %v", auth, priv, err)
				continue
			}
			if id := answer.Variables[0].Value.([]byte); len(id) != 17 || string(id[:5]) != "\x80\x00\x1f\x88\x05" || answer.Variables[1].Type != gosnmp.Counter32 {
				t.Errorf("%s %s: %x %v", auth, priv, id, answer.Variables[1])
			}
		}
	}
	g := manager(t, addr, v3("nobody", gosnmp.NoAuth, "", gosnmp.NoPriv, ""))
	if _, err := g.Get([]string{engineOID}); err != nil {
		t.Errorf("without authentication: %v", err)
	}
}

func walk(t *testing.T, g *gosnmp.GoSNMP, bulk bool) []string {
	t.Helper()
	var list []string
	f := g.WalkAll
	if bulk {
		f = g.BulkWalkAll
	}
	found, err := f(".1.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		if v.Type != gosnmp.Counter64 { // version 1 has none
			list = append(list, v.Name)
		}
	}
	return list
}

// But for counters of 64 bits the same is seen by each version and operation, in the order of OIDs.
func TestWalk(t *testing.T) {
	_, addr := start(t, users())
	var first []string
	for name, change := range map[string]func(*gosnmp.GoSNMP){
		"v1":  func(g *gosnmp.GoSNMP) { g.Version = gosnmp.Version1 },
		"v2c": func(g *gosnmp.GoSNMP) {},
		"v3":  v3("writer", gosnmp.SHA256, "writer secret", gosnmp.AES, "writer secret"),
	} {
		g := manager(t, addr, change)
		seen := walk(t, g, name != "v1")
		if first == nil {
			first = seen
		}
		if len(seen) < 24 || strings.Join(seen, " ") != strings.Join(first, " ") {
			t.Errorf("%s sees %d instances: %s", name, len(seen), seen)
		}
	}
	g := manager(t, addr, v3("narrow", gosnmp.SHA256, "narrow secret", gosnmp.AES, "narrow secret"))
	if got, want := strings.Join(walk(t, g, true), " "), packetsOID+" "+engineOID+" .1.3.6.1.6.3.10.2.1.3.0 .1.3.6.1.6.3.10.2.1.4.0"; got != want {
		t.Errorf("a view of a few: %s, want %s", got, want)
	}
	answer, err := g.Get([]string{bootsOID})
	if err != nil || answer.Variables[0].Type != gosnmp.NoSuchObject {
		t.Errorf("what is excluded: %+v, %v", answer, err)
	}
}

func TestSet(t *testing.T) {
	r, addr := start(t, users())
	g := manager(t, addr, v3("writer", gosnmp.SHA256, "writer secret", gosnmp.AES, "writer secret"))
	reader := manager(t, addr, v3("sha256_aes128", gosnmp.SHA256, "auth pass phrase", gosnmp.AES, "priv pass phrase"))
	narrow := manager(t, addr, v3("narrow", gosnmp.SHA256, "narrow secret", gosnmp.AES, "narrow secret"))
	old := manager(t, addr, func(*gosnmp.GoSNMP) {})
	oldest := manager(t, addr, func(g *gosnmp.GoSNMP) { g.Version = gosnmp.Version1 })
	integer := func(oid string, n int) gosnmp.SnmpPDU {
		return gosnmp.SnmpPDU{Name: oid, Type: gosnmp.Integer, Value: n}
	}
	for _, tc := range []struct {
		name   string
		g      *gosnmp.GoSNMP
		set    []gosnmp.SnmpPDU
		status gosnmp.SNMPError
		index  uint8
		traps  int // afterwards
	}{
		{"one", g, []gosnmp.SnmpPDU{integer(trapsOID, 2)}, gosnmp.NoError, 0, 2},
		{"wrong value", g, []gosnmp.SnmpPDU{integer(trapsOID, 3)}, gosnmp.WrongValue, 1, 2},
		{"wrong type", g, []gosnmp.SnmpPDU{{Name: trapsOID, Type: gosnmp.OctetString, Value: "1"}}, gosnmp.WrongType, 1, 2},
		{"not writable", g, []gosnmp.SnmpPDU{integer(trapsOID, 1), integer(bootsOID, 1)}, gosnmp.NotWritable, 2, 2},
		{"no such object", g, []gosnmp.SnmpPDU{integer(".1.3.6.1.2.1.11.99.0", 1)}, gosnmp.NotWritable, 1, 2},
		{"no such instance", g, []gosnmp.SnmpPDU{integer(".1.3.6.1.2.1.11.30.1", 1)}, gosnmp.NoCreation, 1, 2},
		{"second part fails", g, []gosnmp.SnmpPDU{integer(trapsOID, 1), integer(serialOID, 77)}, gosnmp.InconsistentValue, 2, 2},
		{"both", g, []gosnmp.SnmpPDU{integer(trapsOID, 1), integer(serialOID, 0)}, gosnmp.NoError, 0, 1},
		{"serial has moved on", g, []gosnmp.SnmpPDU{integer(serialOID, 0)}, gosnmp.InconsistentValue, 1, 1},
		{"by a reader", reader, []gosnmp.SnmpPDU{integer(trapsOID, 2)}, gosnmp.AuthorizationError, 0, 1},
		{"out of sight", narrow, []gosnmp.SnmpPDU{integer(trapsOID, 2)}, gosnmp.NoAccess, 1, 1},
		{"excluded", narrow, []gosnmp.SnmpPDU{integer(bootsOID, 2)}, gosnmp.NoAccess, 1, 1},
		{"nothing out of sight", narrow, []gosnmp.SnmpPDU{integer(".1.3.9", 2)}, gosnmp.NoAccess, 1, 1},
		{"to be read only", narrow, []gosnmp.SnmpPDU{integer(packetsOID, 2)}, gosnmp.NotWritable, 1, 1},
		{"by a community", old, []gosnmp.SnmpPDU{integer(trapsOID, 2)}, gosnmp.AuthorizationError, 0, 1},
		{"by a community, version 1", oldest, []gosnmp.SnmpPDU{integer(trapsOID, 2)}, gosnmp.NoSuchName, 0, 1},
	} {
		answer, err := tc.g.Set(tc.set)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if answer.Error != tc.status || answer.ErrorIndex != tc.index {
			t.Errorf("%s: %s at %d", tc.name, answer.Error, answer.ErrorIndex)
		}
		now, err := reader.Get([]string{trapsOID})
		if err != nil || now.Variables[0].Value != tc.traps {
			t.Errorf("%s: afterwards %v, %v", tc.name, now, err)
		}
	}
	// What was set outlives a start; the keys need no pass-phrase any more.
	a := r.Module.(*service).agent
	a.traps.Store(false)
	a.serial.Store(0)
	if _, err := r.Module.(*service).remember(); err != nil || !a.traps.Load() || a.serial.Load() != 1 {
		t.Errorf("after a start: %v %d, %v", a.traps.Load(), a.serial.Load(), err)
	}
}

func TestErrors(t *testing.T) {
	r, addr := start(t, users())
	stats := &r.Module.(*service).agent.stats
	authentic := v3("sha256_aes128", gosnmp.SHA256, "auth pass phrase", gosnmp.AES, "priv pass phrase")
	for _, tc := range []struct {
		name    string
		change  func(*gosnmp.GoSNMP)
		counted counter
	}{
		{"unknown user", v3("mallory", gosnmp.SHA256, "auth pass phrase", gosnmp.AES, "priv pass phrase"), unknownUsers},
		{"wrong key", v3("sha256_aes128", gosnmp.SHA256, "another phrase", gosnmp.AES, "priv pass phrase"), wrongDigests},
		{"wrong algorithm", v3("sha256_aes128", gosnmp.SHA, "auth pass phrase", gosnmp.AES, "priv pass phrase"), wrongDigests},
		{"wrong key of the cipher", v3("sha256_aes128", gosnmp.SHA256, "auth pass phrase", gosnmp.AES, "another phrase"), decryptionErrors},
		{"more than he can", v3("sha256_none", gosnmp.SHA256, "auth pass phrase", gosnmp.AES, "priv pass phrase"), unsupportedLevels},
		{"another context", func(g *gosnmp.GoSNMP) { authentic(g); g.ContextName = "elsewhere" }, unknownContexts},
		{"another engine's context", func(g *gosnmp.GoSNMP) { authentic(g); g.ContextEngineID = "\x80\x00\x1f\x88\x05elsewhere" }, unknownHandlers},
	} {
		before := stats.count[tc.counted].Load()
		g := manager(t, addr, tc.change)
		g.Retries = 0
		if answer, err := g.Get([]string{packetsOID}); err == nil && len(answer.Variables) > 0 && answer.Variables[0].Name == packetsOID {
			t.Errorf("%s: answered", tc.name)
		}
		if stats.count[tc.counted].Load() == before {
			t.Errorf("%s: not counted", tc.name)
		}
	}
	lower := manager(t, addr, v3("sha256_aes128", gosnmp.SHA256, "auth pass phrase", gosnmp.NoPriv, ""))
	if answer, err := lower.Get([]string{packetsOID}); err != nil || answer.Error != gosnmp.AuthorizationError {
		t.Errorf("less than he must: %v, %v", answer, err)
	}
	g := manager(t, addr, func(*gosnmp.GoSNMP) {})
	answer, err := g.Get([]string{".1.3.6.1.2.1.11.1.1", ".1.3.6.1.2.1.99.0", packetsOID})
	if err != nil || answer.Variables[0].Type != gosnmp.NoSuchInstance || answer.Variables[1].Type != gosnmp.NoSuchObject || answer.Variables[2].Type != gosnmp.Counter32 {
		t.Errorf("what is not there: %v, %v", answer, err)
	}
	if answer, err = g.GetNext([]string{".1.4"}); err != nil || answer.Variables[0].Type != gosnmp.EndOfMibView {
		t.Errorf("behind the end: %v, %v", answer, err)
	}
	many := make([]string, 98)
	for i := range many {
		many[i] = packetsOID
	}
	if answer, err = g.Get(many); err != nil || answer.Error != gosnmp.TooBig || len(answer.Variables) != 0 {
		t.Errorf("too many: %v, %v", answer, err)
	}
	if answer, err = g.GetBulk(many[:1], 0, 250); err != nil || answer.Error != gosnmp.NoError || len(answer.Variables) < 20 {
		t.Errorf("bulk: %v, %v", answer, err)
	}
	oldest := manager(t, addr, func(g *gosnmp.GoSNMP) { g.Version = gosnmp.Version1 })
	if answer, err = oldest.Get([]string{packetsOID, ".1.3.6.1.2.1.99.0"}); err != nil || answer.Error != gosnmp.NoSuchName || answer.ErrorIndex != 2 || len(answer.Variables) != 2 {
		t.Errorf("version 1: %v, %v", answer, err)
	}
	for name, community := range map[string]string{"unknown": "public", "from elsewhere": "far community", "longer": "old community2"} {
		before := stats.count[badCommunityNames].Load()
		g := manager(t, addr, func(g *gosnmp.GoSNMP) { g.Community, g.Timeout, g.Retries = community, 50*time.Millisecond, 0 })
		if answer, err := g.Get([]string{packetsOID}); err == nil {
			t.Errorf("a community that is %s: %v", name, answer)
		}
		// On a busy machine the manager gives up before the agent has looked.
		for end := time.Now().Add(time.Minute); stats.count[badCommunityNames].Load() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("a community that is %s is not counted", name)
			}
		}
	}
}

// A table of the time when the tree is large.
func bigGroup(rows int) func(*mib.Env) []mib.Group {
	return func(*mib.Env) []mib.Group {
		return []mib.Group{{Name: "BIG-MIB", Tables: []mib.Table{{Name: "bigTable", Entry: mib.Enterprise.With(77, 1), Keep: time.Hour,
			Columns: []mib.Column{{ID: 1, Name: "bigNumber", Kind: mib.Counter32}, {ID: 2, Name: "bigName", Kind: mib.OctetString}},
			Fill: func(s *mib.Snapshot) {
				for i := range uint32(rows) {
					s.Row(mib.OID{i + 1}, mib.Count32(uint64(i)), mib.Text(fmt.Sprint("row ", i)))
				}
			}}}}}
	}
}
