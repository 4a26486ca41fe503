package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// linnet is the server this repository is about, from the binary given or, without one, built from the tree. Its
// configuration is the default but for addresses, the archive's switch, and the senders' rate, unlimited as the peers' are.
type linnet struct{ path string }

func (*linnet) name() string { return "linnet" }

func (l *linnet) find(place string) (string, error) {
	if l.path == "" {
		l.path = filepath.Join(place, "linnet")
		if err := goBuild(l.path, "linnet/cmd/linnet"); err != nil {
			return "", err
		}
	}
	path, err := filepath.Abs(l.path)
	if err != nil {
		return "", err
	}
	l.path = path
	out, err := exec.Command(l.path, "version").Output()
	if err != nil {
		return "", fmt.Errorf("linnet version: %w", err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(version, "linnet "), nil
}

// prepare runs linnet on the data and adds the accounts over its control socket.
func (l *linnet) prepare(place, data string, accounts int) error {
	cmd, at, err := l.command(place, data, false)
	if err != nil {
		return err
	}
	p, err := startProcess(l.name(), cmd, at, filepath.Join(place, "linnet-prepare.log"), allowedCores()[0])
	if err != nil {
		return err
	}
	if err := l.addAccounts(data, accounts); err != nil {
		p.stop()
		return err
	}
	return p.stop()
}

// addAccounts adds them with a few commands at once: deriving the keys of a password takes the server a while.
func (l *linnet) addAccounts(data string, accounts int) error {
	const atOnce = 4
	var group sync.WaitGroup
	errs := make([]error, atOnce)
	for worker := range atOnce {
		group.Go(func() {
			for i := worker; i < accounts && errs[worker] == nil; i += atOnce {
				add := exec.Command(l.path, "ctl", "-data", data, "user", "add", accountName(i)+"@"+domain)
				add.Stdin = strings.NewReader(password + "\n")
				if out, err := add.CombinedOutput(); err != nil {
					errs[worker] = fmt.Errorf("linnet ctl user add: %w: %s", err, lastLine(out))
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (l *linnet) command(place, data string, archive bool) (*exec.Cmd, addresses, error) {
	plain, err := freeAddress()
	if err != nil {
		return nil, addresses{}, err
	}
	secure, err := freeAddress()
	if err != nil {
		return nil, addresses{}, err
	}
	config := filepath.Join(data, "linnet.toml")
	err = writeFile(config, linnetConfig, map[string]string{
		"PLACE": place, "PLAIN": plain, "TLS": secure, "ARCHIVE": fmt.Sprint(archive),
	})
	cmd := exec.Command(l.path, "run", "-config", config, "-data", data)
	cmd.Env = os.Environ()
	return cmd, addresses{plain: plain, tls: secure}, err
}

const linnetConfig = `
domain = "bench.local"
services = []

[c2s]
listen = ["@TLS@"]
direct_tls = []
plain = ["@PLAIN@"]
rate = "0"

[tls]
certificate = "@PLACE@/certificate.pem"
key = "@PLACE@/key.pem"

[xmpp.archive]
enabled = @ARCHIVE@
`
