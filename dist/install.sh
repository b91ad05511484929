#!/usr/bin/env bash
# Installs or upgrades the archive on this machine, without a network. Run it as root from the unpacked folder.
# An upgrade keeps configuration and images; one that does not start is taken back.
set -euo pipefail
umask 022

prefix=/opt/pacs-server
etc=/etc/pacs-server
units=/etc/systemd/system
config=$etc/config.toml
start_seconds=120 # how long a start may take before it counts as failed

here=$(cd "$(dirname "$0")" && pwd)
case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in vi*) language=vi ;; *) language=en ;; esac
export LC_ALL=C

facility_code=${INSTALL_FACILITY_CODE:-}
facility_name=${INSTALL_FACILITY_NAME:-}
data_dir=${INSTALL_DATA_DIR:-}
ae_title=${INSTALL_AE_TITLE:-}
dimse_listen=${INSTALL_DIMSE_LISTEN:-}
http_listen=${INSTALL_HTTP_LISTEN:-}
insecure_web=0
unencrypted_web=0
tls_certificate=
tls_key=
administrator=
peers=()
yes=0
start=1

usage() {
  cat <<'TEXT'
Usage: install.sh [OPTIONS]        Cách dùng: install.sh [TÙY CHỌN]

A first installation asks for what is not given; an upgrade asks nothing.
Lần đầu sẽ hỏi những gì chưa có; khi nâng cấp thì không hỏi.

  --facility-code CODE     MA_CSKCB, 5 characters / mã cơ sở KCB, 5 ký tự
  --facility-name NAME     its name / tên cơ sở
  --data-dir PATH          folder for the images, on a large disk / thư mục chứa ảnh (/srv/pacs)
  --ae-title TITLE         AE title of this archive / AE title của kho ảnh (PACS)
  --dimse-listen IP:PORT   where modalities send to / địa chỉ nhận ảnh (0.0.0.0:11112)
  --peer AE@IP             a machine that may send; again for each / máy chụp được phép gửi; lặp lại được
  --http-listen IP:PORT    where the web page is / địa chỉ trang web (127.0.0.1:8080)
  --tls-certificate FILE --tls-key FILE   encrypt the web page (PEM) / chứng thư cho HTTPS
  --unencrypted-web        people sign in, but what they send can be read on the network / HTTP không mã hóa
  --administrator NAME     first account / tài khoản quản trị đầu tiên; with --yes its password comes from
                           INSTALL_ADMINISTRATOR_PASSWORD or standard input
  --insecure-web           the web page is open to everybody who reaches it, without sign-in
                           cho mở trang web trong mạng mà không cần đăng nhập
  --language vi|en         language of this program / ngôn ngữ
  --no-start               install, do not start / chỉ cài, chưa chạy
  --yes                    ask nothing (INSTALL_FACILITY_CODE, INSTALL_FACILITY_NAME, INSTALL_DATA_DIR,
                           INSTALL_AE_TITLE, INSTALL_DIMSE_LISTEN, INSTALL_HTTP_LISTEN may hold values)
TEXT
}

t() { if [ "$language" = vi ]; then printf '%s\n' "$1"; else printf '%s\n' "$2"; fi; }
die() { printf 'install.sh: %s\n' "$(t "$@")" >&2; exit 1; }

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --yes) yes=1; shift; continue ;;
      --no-start) start=0; shift; continue ;;
      --insecure-web) insecure_web=1; shift; continue ;;
      --unencrypted-web) unencrypted_web=1; shift; continue ;;
    esac
    [ $# -ge 2 ] || { usage >&2; die "tùy chọn không hợp lệ hoặc thiếu giá trị: $1" "unknown option or no value: $1"; }
    case $1 in
      --facility-code) facility_code=$2 ;;
      --facility-name) facility_name=$2 ;;
      --data-dir) data_dir=$2 ;;
      --ae-title) ae_title=$2 ;;
      --dimse-listen) dimse_listen=$2 ;;
      --http-listen) http_listen=$2 ;;
      --peer) peers+=("$2") ;;
      --tls-certificate) tls_certificate=$2 ;;
      --tls-key) tls_key=$2 ;;
      --administrator) administrator=$2 ;;
      --language) language=$2 ;;
      *) usage >&2; die "tùy chọn không có: $1" "unknown option: $1" ;;
    esac
    shift 2
  done
}

# --- configuration ---------------------------------------------------------------------------------------------------

quoted() { # as a TOML string
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

write_config() {
  local peer
  cat <<TEXT
# Written at the first installation; upgrades leave it as it is.
# All keys with their defaults: $prefix/current/config.example.toml
# After a change: pacs-server check-config && systemctl restart pacs-server

data_dir = $(quoted "$data_dir")

[dimse]
listen = $(quoted "$dimse_listen")
ae_title = $(quoted "$ae_title")

[http]
listen = $(quoted "$http_listen")
viewer_dir = "$prefix/current/viewer"
TEXT
  if [ -n "$tls_certificate" ]; then
    printf 'tls_certificate = "%s/tls/certificate.pem"\ntls_key = "%s/tls/key.pem"\n' "$etc" "$etc"
  fi
  if [ "$unencrypted_web" = 1 ]; then echo 'unencrypted_non_loopback = "I accept"'; fi
  if [ "$insecure_web" = 1 ]; then echo 'insecure_non_loopback = "I accept"'; fi
  printf '\n[[facility]]\ncode = %s\nname = %s\n' "$(quoted "$facility_code")" "$(quoted "$facility_name")"
  for peer in "${peers[@]}"; do
    printf '\n[[peer]]\nae_title = %s\naddress = %s\nfacility = %s\n' \
      "$(quoted "${peer%%@*}")" "$(quoted "${peer#*@}")" "$(quoted "$facility_code")"
  done
}

# Runs the program of a folder as the user of the service, with nothing of this shell's environment.
as_service() { # folder, configuration, arguments
  local folder=$1 file=$2
  shift 2
  env -i PATH="$PATH" PACS_CONFIG="$file" runuser -u pacs -- "$folder/pacs-server" "$@"
}

# The data folder that a configuration means.
data_dir_of() { as_service "$1" "$2" check-config | sed -n 's/^data_dir = "\(.*\)"$/\1/p'; }

check_config() { # folder, configuration
  local said
  said=$(as_service "$1" "$2" check-config 2>&1 >/dev/null) || \
    die "cấu hình không hợp lệ, chưa thay đổi gì: $said" "the configuration is not valid, nothing was changed: $said"
}

# --- steps -----------------------------------------------------------------------------------------------------------

check_machine() {
  [ "$(id -u)" = 0 ] || die "hãy chạy bằng quyền root: sudo $0" "run this as root: sudo $0"
  [ -f "$here/VERSION" ] || die "thiếu tệp; hãy giải nén lại gói cài đặt" "files are missing; unpack the archive again"
  (cd "$here" && sha256sum --quiet --strict -c SHA256SUMS) || \
    die "gói cài đặt bị hỏng (SHA256SUMS không khớp); hãy chép lại" "the files are damaged (SHA256SUMS); copy them again"
  local said
  said=$("$here/pacs-server" --version 2>&1) && return
  printf '%s\n' "$said" >&2
  ldd "$here/pacs-server" 2>/dev/null | grep 'not found' >&2 || true
  t "Chương trình không chạy được trên máy này. Gói này cần:" "The program does not run on this machine. It needs:" >&2
  sed 's/^/    /' "$here/NEEDS" >&2
  t "Máy này có: $(uname -m), $(ldd --version 2>/dev/null | head -n 1)" \
    "This machine has: $(uname -m), $(ldd --version 2>/dev/null | head -n 1)" >&2
  die "chưa thay đổi gì" "nothing was changed"
}

make_user() {
  if ! id pacs >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin pacs
  fi
}

make_data_dir() {
  mkdir -p "$data_dir/packs"
  chmod 750 "$data_dir" "$data_dir/packs"
  if [ -n "$(find "$data_dir" ! -user pacs -print -quit)" ]; then chown -R -h pacs:pacs "$data_dir"; fi
  if [ "$(stat -c %d "$data_dir")" = "$(stat -c %d /)" ]; then
    t "Lưu ý: $data_dir nằm cùng ổ đĩa với hệ điều hành. Nên để ảnh trên ổ đĩa riêng." \
      "Note: $data_dir lies on the disk of the system. Images belong on a disk of their own."
  fi
}

place_release() {
  release=$prefix/releases/$version
  if [ -e "$release" ]; then
    cmp -s "$here/SHA256SUMS" "$release/SHA256SUMS" || \
      die "phiên bản $version đã được cài từ một gói khác" "version $version is installed from another build already"
    return
  fi
  mkdir -p "$prefix/releases"
  rm -rf "$prefix/releases"/.new.*
  local new=$prefix/releases/.new.$$
  cp -R "$here" "$new"
  chown -R root:root "$new"
  chmod -R u=rwX,go=rX "$new"
  mv "$new" "$release"
}

point_to() { # name of a release
  ln -sfn "releases/$1" "$prefix/.current"
  mv -T "$prefix/.current" "$prefix/current"
}

put_unit() {
  mkdir -p "$units/pacs-server.service.d" /usr/local/bin
  install -m 644 "$prefix/current/pacs-server.service" "$units/pacs-server.service"
  cat > "$units/pacs-server.service.d/site.conf" <<TEXT
# Written by install.sh from data_dir in $config. Without its disk the archive does not start.
[Unit]
RequiresMountsFor=$data_dir
AssertPathIsDirectory=$data_dir/packs
[Service]
ReadWritePaths=$data_dir
TEXT
  ln -sfn "$prefix/current/command" /usr/local/bin/pacs-server
  if systemd_runs; then systemctl daemon-reload; fi
}

systemd_runs() { [ -d /run/systemd/system ]; }

# The number of a process that runs from a release.
running() {
  local process
  for process in /proc/[0-9]*; do
    case $(readlink "$process/exe" 2>/dev/null) in
      # One of another root, such as a container's, is none of ours.
      "$prefix"/releases/*) if [ "$process/root/." -ef /. ]; then echo "${process#/proc/}"; return 0; fi ;;
    esac
  done
  return 1
}

# 0: takes images; 2: runs, but takes none (a full disk, say); 1: does not run. Waits up to so many seconds.
readiness() { # seconds
  local until=$((SECONDS + $1)) rc
  while :; do
    rc=0
    as_service "$prefix/current" "$config" status --wait-seconds $(($1 < 5 ? $1 : 5)) >/dev/null 2>&1 || rc=$?
    if [ $rc = 0 ] || [ $SECONDS -ge $until ]; then return $rc; fi
    # It ends again and again: no use in waiting.
    if [ $rc = 1 ] && systemctl is-failed --quiet pacs-server.service; then return 1; fi
    if [ $rc = 1 ] && [ "$(systemctl show --property=NRestarts --value pacs-server.service)" -ge 2 ]; then return 1; fi
  done
}

# Starts what `current` points to; fails when it does not run, or takes no images although `$1` (before) is 0.
start_service() {
  local rc=0
  systemctl enable --quiet pacs-server.service
  systemctl start pacs-server.service || return 1
  readiness "$start_seconds" || rc=$?
  [ $rc = 0 ] || { [ $rc = 2 ] && [ "$1" = 2 ]; }
}

log_end() { journalctl -u pacs-server.service -n 15 --no-pager -o cat 2>/dev/null | sed 's/^/    /' >&2 || true; }

take_back() { # former release, readiness before
  log_end
  systemctl stop pacs-server.service || true
  point_to "$1"
  rm -f "$prefix/former"
  put_unit
  if start_service "$2"; then
    die "phiên bản $version không chạy được; đã quay lại phiên bản $1, kho ảnh đang hoạt động" \
      "version $version did not start; version $1 is back and at work"
  fi
  log_end
  die "phiên bản $version không chạy được; đã quay lại phiên bản $1 nhưng nó cũng chưa chạy: xem journalctl -u pacs-server" \
    "version $version did not start; version $1 is back but does not start either: see journalctl -u pacs-server"
}

install_first() {
  ask_everything
  make_user
  place_release
  mkdir -p "$etc"
  write_config > "$config.new"
  chown root:pacs "$etc" "$config.new"
  chmod 750 "$etc"
  chmod 640 "$config.new"
  if [ -n "$tls_certificate" ]; then
    install -d -m 750 -o root -g pacs "$etc/tls"
    install -m 640 -o root -g pacs "$tls_certificate" "$etc/tls/certificate.pem"
    install -m 640 -o root -g pacs "$tls_key" "$etc/tls/key.pem"
  fi
  make_data_dir
  first_account "$release" "$config.new"
  check_config "$release" "$config.new"
  mv "$config.new" "$config"
}

main() {
  parse "$@"
  check_machine
  . "$here/questions.sh"
  version=$(cat "$here/VERSION")
  local former='' before=0 first=0
  if [ -L "$prefix/current" ]; then former=$(basename "$(readlink "$prefix/current")"); fi
  # An upgrade that was interrupted after the change left its former release here.
  if [ "$former" = "$version" ] && [ -L "$prefix/former" ]; then former=$(basename "$(readlink "$prefix/former")"); fi
  if [ -e "$config" ]; then
    t "Giữ nguyên cấu hình $config và ảnh đã lưu." "Configuration $config and images stay as they are."
    make_user
    # After a restore or on another machine the files may belong to a number that is nobody here.
    chown -R root:pacs "$etc"
    data_dir=$(sed -n 's/^data_dir = "\(.*\)"$/\1/p' "$config")
    if [ -z "$former" ] && [ -d "$data_dir/packs" ]; then make_data_dir; fi
    place_release
    check_config "$release" "$config"
  else
    first=1
    install_first
  fi
  data_dir=$(data_dir_of "$release" "$config")
  case $data_dir in /*) ;; *) die "data_dir trong $config phải là đường dẫn đầy đủ" "data_dir in $config has to be a full path" ;; esac
  if systemd_runs; then
    if [ -n "$former" ]; then
      readiness 0 || before=$?
      systemctl stop pacs-server.service || true
    fi
  elif running >/dev/null; then
    die "kho ảnh đang chạy (tiến trình $(running)); hãy dừng nó rồi chạy lại" "the archive runs (process $(running)); stop it and run this again"
  fi
  if [ "$first" = 0 ]; then make_data_dir; fi
  if [ -n "$former" ]; then ln -sfn "releases/$former" "$prefix/former"; fi
  point_to "$version"
  put_unit
  if [ "$start" = 1 ] && systemd_runs && ! start_service "$before"; then
    if [ -n "$former" ] && [ "$former" != "$version" ]; then take_back "$former" "$before"; fi
    log_end
    die "đã cài nhưng chưa chạy được: xem journalctl -u pacs-server" "installed, but it does not start: see journalctl -u pacs-server"
  fi
  rm -f "$prefix/former"
  next_steps "$former"
  exit 0
}

# The address of the web page as people type it, by the configuration in force.
web_address() {
  local said listen host scheme=http
  said=$(as_service "$prefix/current" "$config" check-config | sed -n '/^\[http\]/,/^\[sign_in/p')
  host=$(sed -n 's/^public_url = "\(..*\)"$/\1/p' <<<"$said")
  if [ -n "$host" ]; then echo "$host"; return; fi
  if grep -q '^tls_certificate = "[^"]' <<<"$said"; then scheme=https; fi
  listen=$(sed -n 's/^listen = "\(.*\)"$/\1/p' <<<"$said")
  host=${listen%:*}
  case $host in 0.0.0.0 | '[::]') host=$(hostname -I 2>/dev/null | cut -d' ' -f1); host=${host:-$(cat /proc/sys/kernel/hostname)} ;; esac
  echo "$scheme://$host:${listen##*:}/"
}

next_steps() { # former release
  echo
  if [ -n "$1" ]; then t "Đã nâng cấp từ $1 lên $version." "Upgraded from $1 to $version."
  else t "Đã cài phiên bản $version." "Version $version is installed."; fi
  if [ "$start" = 1 ] && systemd_runs; then
    t "Kho ảnh đang chạy và tự chạy khi bật máy:  systemctl status pacs-server" \
      "It runs, and starts with the machine:  systemctl status pacs-server"
  else
    t "Chạy bằng tay:  pacs-server serve     (khi có systemd: systemctl enable --now pacs-server)" \
      "Start it by hand:  pacs-server serve     (with systemd: systemctl enable --now pacs-server)"
  fi
  local web
  web=$(web_address)
  t "  Trang web:           $web${administrator:+     (đăng nhập: $administrator)}
  Cấu hình:            $config     (kiểm tra: pacs-server check-config)
  Tình trạng:          pacs-server status
  Ảnh:                 $data_dir
  Hướng dẫn:           $prefix/current/docs/vi/README.md
  Việc tiếp theo:      nối máy chụp (docs/vi/2-connect-a-machine.md), đặt lịch sao lưu (docs/vi/5-backup-and-restore.md)" \
    "  Web page:            $web${administrator:+     (sign in as $administrator)}
  Configuration:       $config     (check: pacs-server check-config)
  State:               pacs-server status
  Images:              $data_dir
  Handbook:            $prefix/current/docs/en/README.md
  Next:                connect a machine (docs/en/2-connect-a-machine.md), set up the backup (docs/en/5-backup-and-restore.md)"
}

main "$@"
