// Snmp measures linnet's SNMP agent beside net-snmp's snmpd, in one run on one machine, and prints a table.
//
//	go run ./tinytests/bench/snmp -linnet bin/linnet
//
// Each agent is pinned to one core, the load to another; they take turns, and a figure is the median of the rounds.
// Both read what they show from /proc, as in production, and keep it as long as they like. Eight requests are under
// way at any time; the answers are looked at only as far as it takes to see that they are answers. Beside the rate
// stands the rate for each second of the agent's own CPU time, which other programs on the machine disturb less.
//
//   - get: ifInOctets of one interface and sysUpTime, version 2c
//   - bulk: 25 rows of ifInOctets and of what follows it, version 2c, in instances
//   - priv: the same GET with SHA-1 and AES-128, version 3
//   - walk: everything, version 2c, 25 repetitions, warm, one after the other, in milliseconds; and in instances a second
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/sys/unix"

	"linnet/netsvc/wire/ber"
)

const (
	inFlight = 8
	auth     = "authentication phrase"
	priv     = "encryption phrase"
)

var (
	oids    = []string{".1.3.6.1.2.1.2.2.1.10.1", ".1.3.6.1.2.1.1.3.0"}
	bulkOID = ".1.3.6.1.2.1.2.2.1.10"
)

func main() {
	linnet := flag.String("linnet", "bin/linnet", "program")
	rounds := flag.Int("rounds", 3, "rounds, of which the median counts")
	window := flag.Duration("window", 2*time.Second, "length of a run")
	flag.Parse()
	if err := run(*linnet, *rounds, *window); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// agent is one of the two programs.
type agent struct {
	name string
	dir  string
	port int
	cmd  *exec.Cmd
}

var figures = []string{"get/s", "get/CPU·s", "bulk instances/s", "bulk instances/CPU·s", "priv get/s", "priv get/CPU·s", "walk ms", "walk instances/s"}

func run(linnet string, rounds int, window time.Duration) error {
	snmpd, err := exec.LookPath("snmpd")
	if err != nil {
		snmpd = "/usr/sbin/snmpd"
	}
	if linnet, err = filepath.Abs(linnet); err != nil {
		return err
	}
	if err := pin(0, 1); err != nil {
		fmt.Fprintln(os.Stderr, "not pinned:", err)
	}
	results := map[string][][]float64{}
	for range rounds {
		for _, name := range []string{"linnet", "snmpd"} {
			a := &agent{name: name}
			program := linnet
			if name == "snmpd" {
				program = snmpd
			}
			values, err := a.measure(program, window)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], values)
		}
	}
	fmt.Printf("%-24s %12s %12s %8s\n", "", "linnet", "snmpd", "ratio")
	for i, title := range figures {
		ours, theirs := median(results["linnet"], i), median(results["snmpd"], i)
		ratio := ours / theirs
		if strings.HasSuffix(title, "ms") {
			ratio = theirs / ours
		}
		fmt.Printf("%-24s %12.1f %12.1f %7.2fx\n", title, ours, theirs, ratio)
	}
	return nil
}

func median(rounds [][]float64, i int) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, r[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// pin moves a process (0: this one) to a core.
func pin(pid, core int) error {
	var set unix.CPUSet
	set.Set(core)
	tasks, err := os.ReadDir("/proc/" + map[bool]string{true: "self", false: strconv.Itoa(pid)}[pid == 0] + "/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		id, _ := strconv.Atoi(t.Name())
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) start(program string) error {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	a.port = c.LocalAddr().(*net.UDPAddr).Port
	c.Close()
	if a.dir, err = os.MkdirTemp("", "bench-snmp-"); err != nil {
		return err
	}
	config := filepath.Join(a.dir, "config")
	text := fmt.Sprintf("rocommunity public 127.0.0.1\ncreateUser noc SHA \"%s\" AES \"%s\"\nrouser noc authpriv\n", auth, priv)
	args := []string{"-c", "0", program, "-f", "-C", "-c", config, "-Lf", "/dev/null", fmt.Sprintf("udp:127.0.0.1:%d", a.port)}
	if a.name == "linnet" {
		text = fmt.Sprintf("domain = \"localhost\"\nservices = [\"snmp\"]\n[c2s]\nlisten = []\ndirect_tls = []\n[snmp]\nlisten = [\"127.0.0.1:%d\"]\n"+
			"[snmp.community.public]\nname = \"public\"\nsources = [\"127.0.0.1\"]\n"+
			"[snmp.user.noc]\nauth = \"sha1\"\nauth_secret = %q\npriv_secret = %q\n", a.port, auth, priv)
		args = []string{"-c", "0", program, "run", "-quiet", "-config", config, "-data", filepath.Join(a.dir, "data")}
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	a.cmd = exec.Command("taskset", args...)
	a.cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+a.dir, "MIBS=", "GOMAXPROCS=1")
	a.cmd.Stderr = os.Stderr
	return a.cmd.Start()
}

func (a *agent) stop() {
	_ = a.cmd.Process.Signal(unix.SIGTERM)
	_ = a.cmd.Wait()
	os.RemoveAll(a.dir)
}

// cpu returns the CPU time that the agent has used, in seconds.
func (a *agent) cpu() float64 {
	var t unix.Timespec
	clock := int32(^a.cmd.Process.Pid<<3 | 2) // the kernel's number for the clock of a process
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return float64(t.Nano()) / 1e9
}

func (a *agent) manager(version gosnmp.SnmpVersion) (*gosnmp.GoSNMP, error) {
	g := &gosnmp.GoSNMP{Target: "127.0.0.1", Port: uint16(a.port), Transport: "udp", Version: version, Community: "public",
		Timeout: 500 * time.Millisecond, MaxOids: 60, MaxRepetitions: 25}
	if version == gosnmp.Version3 {
		g.SecurityModel, g.MsgFlags = gosnmp.UserSecurityModel, gosnmp.AuthPriv
		g.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: "noc", AuthenticationProtocol: gosnmp.SHA, AuthenticationPassphrase: auth,
			PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: priv}
	}
	if err := g.Connect(); err != nil {
		return nil, err
	}
	var err error
	for range 100 {
		var answer *gosnmp.SnmpPacket
		if answer, err = g.Get(oids); err == nil {
			if answer.Variables[0].Type != gosnmp.Counter32 {
				return nil, fmt.Errorf("it answers %v", answer.Variables)
			}
			return g, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, err
}

func pdus(names ...string) (list []gosnmp.SnmpPDU) {
	for _, name := range names {
		list = append(list, gosnmp.SnmpPDU{Name: name, Type: gosnmp.Null})
	}
	return list
}

func (a *agent) measure(program string, window time.Duration) ([]float64, error) {
	if err := a.start(program); err != nil {
		return nil, err
	}
	defer a.stop()
	g2, err := a.manager(gosnmp.Version2c)
	if err != nil {
		return nil, err
	}
	g3, err := a.manager(gosnmp.Version3)
	if err != nil {
		return nil, err
	}
	get, err := g2.SnmpEncodePacket(gosnmp.GetRequest, pdus(oids...), 0, 0)
	if err != nil {
		return nil, err
	}
	bulk, err := g2.SnmpEncodePacket(gosnmp.GetBulkRequest, pdus(bulkOID), 0, 25)
	if err != nil {
		return nil, err
	}
	secure, err := g3.SnmpEncodePacket(gosnmp.GetRequest, pdus(oids...), 0, 0)
	if err != nil {
		return nil, err
	}
	var values []float64
	for i, packet := range [][]byte{get, bulk, secure} {
		if _, _, err := a.load(packet, window/4); err != nil {
			return nil, err
		}
		before, start := a.cpu(), time.Now()
		n, _, err := a.load(packet, window)
		if err != nil {
			return nil, err
		}
		if i == 1 {
			n *= 25
		}
		values = append(values, float64(n)/time.Since(start).Seconds(), float64(n)/(a.cpu()-before))
	}
	var walks []float64
	count := 0
	for range 7 {
		start := time.Now()
		if count, err = a.walk(); err != nil {
			return nil, err
		}
		walks = append(walks, time.Since(start).Seconds())
	}
	slices.Sort(walks)
	walk := walks[len(walks)/2]
	return append(values, walk*1000, float64(count)/walk), nil
}

// load keeps some requests under way and returns how many were answered, with the size of the last answer.
func (a *agent) load(packet []byte, window time.Duration) (n, size int, err error) {
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.port})
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for range inFlight {
		if _, err := c.Write(packet); err != nil {
			return 0, 0, err
		}
	}
	in := make([]byte, 65536)
	for end := time.Now().Add(window); ; n++ {
		if n%64 == 0 {
			if time.Now().After(end) {
				return n, size, nil
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		}
		if size, err = c.Read(in); err != nil {
			return n, size, err
		}
		if _, err := c.Write(packet); err != nil {
			return n, size, err
		}
	}
}

// walk walks everything by GETBULK and returns how many instances there are.
func (a *agent) walk() (int, error) {
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.port})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	name, in, n := []uint32{1, 3}, make([]byte, 65536), 0
	for {
		if _, err := c.Write(bulkRequest(name, int32(n), 25)); err != nil {
			return 0, err
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		size, err := c.Read(in)
		if err != nil {
			return 0, err
		}
		last, got, more, err := answer(in[:size])
		if err != nil {
			return 0, err
		}
		n += got
		if !more {
			return n, nil
		}
		name = last
	}
}

// bulkRequest writes a GETBULK of version 2c.
func bulkRequest(name []uint32, id int32, repetitions int64) []byte {
	bind := ber.AppendOID(nil, name)
	bind = append(bind, ber.Null, 0)
	bind = ber.AppendString(nil, ber.Sequence, bind)
	p := ber.AppendInt(nil, ber.Integer, int64(id))
	p = ber.AppendInt(p, ber.Integer, 0)
	p = ber.AppendInt(p, ber.Integer, repetitions)
	p = ber.AppendString(p, ber.Sequence, bind)
	m := ber.AppendInt(nil, ber.Integer, 1)
	m = ber.AppendString(m, ber.OctetString, "public")
	m = ber.AppendString(m, 0xa5, p)
	return ber.AppendString(nil, ber.Sequence, m)
}

// answer returns the last name of an answer, and how many instances it has; more is false at the end.
func answer(b []byte) (last []uint32, n int, more bool, err error) {
	b, _, err = ber.Expect(b, ber.Sequence)
	for _, skip := range []int{2, 0, 3} { // version and community; into the PDU; its numbers
		if skip == 0 && err == nil {
			_, b, _, err = ber.Next(b)
		}
		for ; skip > 0 && err == nil; skip-- {
			_, _, b, err = ber.Next(b)
		}
	}
	if err == nil {
		b, _, err = ber.Expect(b, ber.Sequence)
	}
	for len(b) > 0 && err == nil {
		var bind, name []byte
		if bind, b, err = ber.Expect(b, ber.Sequence); err != nil {
			break
		}
		if name, bind, err = ber.Expect(bind, ber.ObjectID); err != nil || len(bind) == 0 {
			break
		}
		if bind[0] == 0x82 {
			return nil, n, false, nil
		}
		n++
		last, err = ber.AppendParts(nil, name)
	}
	if err == nil && n == 0 {
		err = errors.New("an empty answer")
	}
	return last, n, true, err
}
