#!/usr/bin/env bash
# Takes the archive off this machine. Images and configuration stay, unless --purge-data is given.
set -euo pipefail

prefix=/opt/pacs-server
etc=/etc/pacs-server
units=/etc/systemd/system

usage() {
  cat <<'TEXT'
Usage: uninstall.sh [--purge-data] [--yes]
  --purge-data   also delete all images, the index, the configuration and the user pacs: they cannot be brought back
  --yes          do not ask

Gỡ phần mềm khỏi máy. Ảnh và cấu hình được giữ lại, trừ khi có --purge-data (xóa hẳn, không khôi phục được).
TEXT
}

die() { echo "uninstall.sh: $*" >&2; exit 1; }

# The data folder: from the file of the service, which install.sh wrote.
data_dir_of_service() {
  sed -n 's/^ReadWritePaths=//p' "$units/pacs-server.service.d/site.conf" 2>/dev/null | tail -n 1 | sed 's/\\\\/\\/g'
}

# Whether a process runs from a release; the first one's number.
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

stop() {
  local pid
  if [ -d /run/systemd/system ]; then
    systemctl disable --now pacs-server.service >/dev/null 2>&1 || true
  fi
  if pid=$(running); then
    die "the archive still runs (process $pid); stop it first"
  fi
}

purge() { # data folder
  local data=$1 answer
  [ -n "$data" ] || die "the data folder is not known; nothing was deleted"
  [ -d "$data/packs" ] || die "$data is no data folder of the archive; nothing was deleted"
  if [ "$yes" != 1 ]; then
    echo "ALL IMAGES in $data will be deleted. They cannot be brought back."
    echo "TẤT CẢ ẢNH trong $data sẽ bị xóa hẳn, không khôi phục được."
    printf 'Type the path of the folder to go on / Gõ đường dẫn thư mục để tiếp tục: '
    read -r answer
    [ "$answer" = "$data" ] || die "not confirmed; nothing was deleted"
  fi
}

main() {
  local purge=0 data
  yes=0
  while [ $# -gt 0 ]; do
    case $1 in
      --purge-data) purge=1 ;;
      --yes) yes=1 ;;
      -h | --help) usage; exit 0 ;;
      *) usage >&2; die "unknown option: $1" ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || die "run this as root: sudo $0"
  data=$(data_dir_of_service)
  if [ "$purge" = 1 ]; then purge "$data"; fi
  stop
  rm -rf "$units/pacs-server.service" "$units/pacs-server.service.d"
  if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
  rm -f /usr/local/bin/pacs-server
  rm -rf "$prefix"
  if [ "$purge" = 1 ]; then
    # A disk that is mounted here stays as an empty folder.
    find "$data" -mindepth 1 -delete
    rmdir "$data" 2>/dev/null || true
    rm -rf "$etc"
    userdel pacs 2>/dev/null || true
    echo "The program, the configuration and all images are gone. / Đã xóa phần mềm, cấu hình và toàn bộ ảnh."
  else
    echo "The program is gone. Kept / Đã gỡ phần mềm. Còn giữ lại:"
    echo "  images / ảnh:              ${data:-?}"
    echo "  configuration / cấu hình:  $etc"
    echo "install.sh takes both up again. / install.sh sẽ dùng lại cả hai."
  fi
  exit 0
}

main "$@"
