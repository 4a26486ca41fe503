package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// makePlace makes the temporary directory that everything of a run lives in. It must be on a disk: on tmpfs a sync costs
// nothing, and the durable figure would say nothing.
func makePlace() (string, error) {
	base := os.TempDir()
	var at unix.Statfs_t
	if unix.Statfs(base, &at) == nil && at.Type == unix.TMPFS_MAGIC {
		base = "var"
		if err := os.MkdirAll(base, 0o755); err != nil {
			return "", err
		}
	}
	dir, err := os.MkdirTemp(base, "linnet-bench-")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// waitForOthers waits until no other benchmark of this machine runs: two would measure each other. The lock ends with this
// program, however that ends. Where the file cannot be had (it is another user's), nothing is locked.
func waitForOthers() {
	fd, err := unix.Open(filepath.Join(os.TempDir(), "linnet-bench.lock"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK {
		say("another benchmark is running here; waiting for its end")
		for unix.Flock(fd, unix.LOCK_EX) == unix.EINTR {
		}
	}
}

// makeCertificate writes a self-signed ECDSA P-256 certificate and its key, the same for all servers. One more file holds
// both, for ejabberd.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: domain},
		DNSNames:              []string{domain},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificatePEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, text := range map[string][]byte{certificateFile: certificatePEM, keyFile: keyPEM, bothFile: append(certificatePEM, keyPEM...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

const (
	certificateFile = "certificate.pem"
	keyFile         = "key.pem"
	bothFile        = "both.pem"
)

// raiseFileLimit lets this program and its children have as many connections as a benchmark needs.
func raiseFileLimit(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	// Set even when it is high enough: Go hands its own raised limit on to children only if it was set on purpose.
	wanted := syscall.Rlimit{Cur: max(limit.Max, need), Max: max(limit.Max, need)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted) == nil {
		return nil
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit.Max, Max: limit.Max}); err != nil {
		return err
	}
	if limit.Max < need {
		return fmt.Errorf("%d open files are allowed, %d are needed: raise the limit (ulimit -n) or take fewer -clients", limit.Max, need)
	}
	return nil
}

// diskUse returns the bytes that a directory's files take on disk.
func diskUse(dir string) int64 {
	var sum int64
	filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that has just gone
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return sum
}

// copyTree copies a directory of plain files.
func copyTree(from, to string) error {
	return os.CopyFS(to, os.DirFS(from))
}

// allowedCores returns the cores that this thread may run on, the lowest first.
func allowedCores() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return []int{0}
	}
	var cores []int
	for core := 0; len(cores) < set.Count(); core++ {
		if set.IsSet(core) {
			cores = append(cores, core)
		}
	}
	return cores
}
