package store_test

import (
	"os"
	"testing"

	"linnet/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(nil)
	os.Exit(m.Run())
}
