# Debian's packages for the machine that is tested, unpacked and not installed: this machine keeps its kernel, its
# security modules and its architecture. Wants $arch, $other and the current directory, which keeps what was fetched.

# Lists of their own for architectures that this machine does not know: `dpkg --add-architecture` would change it.
lists=$PWD/apt
private=(
  -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "APT::Architectures::=$other"
  -o "Dir::State=$lists/state" -o "Dir::State::status=$lists/status" -o "Dir::Cache=$lists/cache"
  -o APT::Sandbox::User=root
)
here_apt=(-o APT::Sandbox::User=root)
# What the machine that is tested has packages from: what this one has if they are alike.
if [ "$arch" = "$(dpkg --print-architecture)" ]; then there_apt=("${here_apt[@]}"); else there_apt=("${private[@]}"); fi

fetch_lists() {
  [ -e "$lists/.done" ] && return
  mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial"
  : >"$lists/status"
  # A list of many may be out of step on a mirror; what matters is whether the packages can be had.
  apt-get "${private[@]}" update -qq || echo "not all lists of packages for $arch and $other could be had" >&2
  touch "$lists/.done"
}

# The kernel that the meta package stands for.
kernel_package() {
  apt-cache "${there_apt[@]}" depends "linux-image-$arch" | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -1
}

unpack() { # DIR PACKAGE[:ARCHITECTURE] APT_OPTION…
  local dir=$1 package=$2
  shift 2
  [ -e "$dir/.done" ] && return
  rm -rf "$dir"
  mkdir -p "$dir"
  (cd "$dir" && apt-get "$@" download -qq "$package" >/dev/null && dpkg -x ./*.deb . && rm ./*.deb && touch .done)
}
