// How browsers are started for tests: headless, as root if need be, and silent on the network.

export const chromiumArguments = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
]
