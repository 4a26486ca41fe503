package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// server is a program that can be measured. Its methods are called from one goroutine.
type server interface {
	name() string
	// find makes the server ready to be run (finds, installs or builds it) and returns its version,
	// or says why it is left out.
	find(place string) (version string, err error)
	// prepare fills data, an empty directory, so that the server has this many accounts u0, u1, … with the one password.
	prepare(place, data string, accounts int) error
	// command returns the server's command line, not started, for that data directory, and where it will listen.
	command(place, data string, archive bool) (*exec.Cmd, addresses, error)
}

// everyServer lists them in the order of the table's columns.
func everyServer(linnetPath string) []server {
	return []server{&linnet{path: linnetPath}, prosody{}, ejabberd{}, &floor{}}
}

// installPackages installs from the distribution what a peer needs, without starting the packages' own services.
func installPackages(packages ...string) error {
	byHand := "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("not installed, and this is no Debian: install %s", strings.Join(packages, ", "))
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("not installed: as root, %s", byHand)
	}
	cmd := exec.Command("apt-get", append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
	// At run level 1 invoke-rc.d starts no service: the benchmark runs its own instances, on ports of its own.
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", byHand, err, lastLine(out))
	}
	return nil
}

// packageVersion returns what dpkg says, or "".
func packageVersion(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// goBuild builds a main package of this module.
func goBuild(output, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// writeFile writes a configuration made of a template in which @NAME@ stands for a value.
func writeFile(file, template string, values map[string]string) error {
	for name, value := range values {
		template = strings.ReplaceAll(template, "@"+name+"@", value)
	}
	return os.WriteFile(file, []byte(template), 0o600)
}

// floor is the program in ./floor. It has no accounts and no data.
type floor struct{}

func (*floor) name() string { return "floor" }

func (*floor) find(place string) (string, error) {
	return "", goBuild(filepath.Join(place, "floor"), "linnet/tinytests/bench/floor")
}

func (*floor) prepare(place, data string, accounts int) error { return nil }

func (*floor) command(place, data string, archive bool) (*exec.Cmd, addresses, error) {
	at, err := freeAddress()
	cmd := exec.Command(filepath.Join(place, "floor"), "-listen", at,
		"-certificate", filepath.Join(place, certificateFile), "-key", filepath.Join(place, keyFile))
	return cmd, addresses{plain: at, tls: at}, err
}
