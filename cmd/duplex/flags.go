package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// byteSize is a flag such as 64KiB.
type byteSize int64

var units = []struct {
	name string
	size int64
}{ // the larger first: 1MiB is not 1048575.99KiB
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// Type implements pflag.Value.
func (*byteSize) Type() string { return "size" }

// String implements pflag.Value.
func (b *byteSize) String() string {
	for _, u := range units[:3] {
		if *b != 0 && int64(*b)%u.size == 0 {
			return strconv.FormatInt(int64(*b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	number, size := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if cut, ok := cutSuffixFold(number, u.name); ok {
			number, size = strings.TrimSpace(cut), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return fmt.Errorf("%q is no size: write bytes, or 64KiB, 16MiB, 1GiB", s)
	}
	*b = byteSize(n * size)
	return nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

const envPrefix = "DUPLEX_"

// envName is the environment variable of a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnv gives the flags that are not on the command line what the environment says. In a variable for a flag that
// may be repeated the values are separated by commas.
func fromEnv(cmd *cobra.Command) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		text, ok := os.LookupEnv(envName(f.Name))
		if f.Changed || !ok || text == "" || f.Name == "help" || err != nil {
			return
		}
		values := []string{text}
		if _, many := f.Value.(pflag.SliceValue); many {
			values = strings.Split(text, ",")
		}
		for _, v := range values {
			if e := f.Value.Set(strings.TrimSpace(v)); e != nil {
				err = usageError{fmt.Errorf("the environment variable %s: %w", envName(f.Name), e)}
				return
			}
		}
	})
	return err
}
