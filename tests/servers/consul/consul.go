//go:build tools

// Package consul pins the Consul that tests run: its own module can't be installed by name, for it replaces others.
package consul

import _ "github.com/hashicorp/consul"
