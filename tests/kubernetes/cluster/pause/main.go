// SPDX-License-Identifier: Apache-2.0

// pause holds the name spaces of a pod, as Kubernetes' own image of that name does.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
