# What a first installation asks for, part of install.sh: checks of what is typed, the questions, the first account.

# --- checks of what is typed ---------------------------------------------------------------------------------------

valid_facility_code() {
  [[ $1 =~ ^[0-9A-Za-z]{5}$ ]] || t "Mã cơ sở KCB có đúng 5 chữ số hoặc chữ cái, ví dụ 79001." \
    "The facility code has exactly 5 digits or letters, such as 79001."
}
valid_facility_name() {
  [[ -n $1 && ${#1} -le 200 && ! $1 =~ [[:cntrl:]] ]] || t "Tên không được để trống hay quá dài." \
    "The name must not be empty or very long."
}
valid_data_dir() {
  if [[ ! $1 =~ ^/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$ || $1 == *..* ]]; then
    t "Ghi đường dẫn đầy đủ, chỉ gồm chữ không dấu, số và . _ - /" \
      "Give a full path of plain letters, digits and . _ - / only."
  elif [[ ! $1 =~ ^/[^/]+/[^/] && ! -d $1 ]] || [[ $1 =~ ^/(bin|boot|dev|etc|home|lib|opt|proc|root|run|sbin|sys|tmp|usr|var)/?$ ]]; then
    t "Hãy chọn một thư mục riêng, ví dụ /srv/pacs." "Choose a folder of its own, such as /srv/pacs."
  elif [[ $1 =~ ^/(tmp|proc|sys|dev|run|home|root|usr|boot)/ ]]; then
    t "Dịch vụ không ghi được vào đó; hãy chọn ví dụ /srv/pacs." "The service cannot write there; choose /srv/pacs, for example."
  elif [ -e "$1" ] && [ ! -d "$1/packs" ] && [ -n "$(find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ]; then
    t "Thư mục đã có dữ liệu khác; hãy chọn một thư mục trống." "The folder holds something else; choose an empty one."
  fi
}
valid_ae_title() {
  [[ $1 =~ ^[A-Za-z0-9_.-]([A-Za-z0-9_.\ -]{0,14}[A-Za-z0-9_.-])?$ ]] || \
    t "AE title có 1 đến 16 ký tự không dấu; phân biệt chữ hoa, chữ thường." \
      "An AE title has 1 to 16 plain characters; capitals count."
}
valid_listen() {
  [[ $1 =~ ^([0-9.]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$ ]] || t "Ghi dạng ĐỊA-CHỈ:CỔNG, ví dụ 0.0.0.0:11112." \
    "Write ADDRESS:PORT, such as 0.0.0.0:11112."
}
valid_peer() {
  local address='^[]0-9A-Fa-f.:/[]+$'
  [[ $1 == *@* && ${1#*@} =~ $address && -z $(valid_ae_title "${1%%@*}") ]] || \
    t "Ghi dạng AE@ĐỊA-CHỈ, ví dụ CT1@192.168.1.20." "Write AE@ADDRESS, such as CT1@192.168.1.20."
}

# Sets a variable: name, check, default, question in Vietnamese, in English. What was given is checked as well.
ask() {
  local -n value=$1
  local check=$2 default=$3 wrong
  while :; do
    if [ -z "$value" ] && [ "$yes" = 1 ]; then value=$default; fi
    if [ -z "$value" ] && [ "$yes" = 0 ]; then
      printf '%s%s: ' "$(t "$4" "$5")" "${default:+ [$default]}"
      read -r value || die "không đọc được câu trả lời; dùng --yes để cài không cần hỏi" "no answer; use --yes to be asked nothing"
      value=${value:-$default}
    fi
    wrong=$("$check" "$value")
    if [ -z "$wrong" ]; then return; fi
    printf '  %s\n' "$wrong" >&2
    if [ "$yes" = 1 ]; then die "giá trị không hợp lệ: $1 = '$value'" "not a valid value: $1 = '$value'"; fi
    value=
  done
}

ask_everything() {
  if [ "$yes" = 0 ]; then
    t "Cài đặt lần đầu. Ấn Enter để nhận giá trị trong [ ]." "First installation. Enter takes the value in [ ]."
  fi
  ask facility_code valid_facility_code "" "Mã cơ sở khám bệnh, chữa bệnh (MA_CSKCB, 5 ký tự)" "Facility code (MA_CSKCB, 5 characters)"
  ask facility_name valid_facility_name "$facility_code" "Tên cơ sở" "Name of the facility"
  if [ "$yes" = 0 ] && [ -z "$data_dir" ]; then
    t "Các ổ đĩa của máy này:" "Disks of this machine:"
    df -h -x tmpfs -x devtmpfs -x overlay -x squashfs --output=target,size,avail 2>/dev/null | sed 's/^/    /' || true
  fi
  ask data_dir valid_data_dir /srv/pacs "Thư mục chứa ảnh, trên ổ đĩa lớn" "Folder for the images, on a large disk"
  ask ae_title valid_ae_title PACS "AE title của kho ảnh (có thể lấy lại AE title của PACS cũ)" "AE title of this archive (that of an old PACS can be taken over)"
  ask dimse_listen valid_listen 0.0.0.0:11112 "Địa chỉ nhận ảnh DICOM" "Address for DICOM"
  if [ "$yes" = 0 ] && [ ${#peers[@]} = 0 ]; then
    local one
    t "Các máy chụp được phép gửi, dạng AE@ĐỊA-CHỈ, mỗi dòng một máy; dòng trống là hết. Có thể thêm sau." \
      "Machines that may send, as AE@ADDRESS, one a line; an empty line ends. More can follow later."
    while printf '  > ' && read -r one && [ -n "$one" ]; do
      if [ -n "$(valid_peer "$one")" ]; then valid_peer "$one"; else peers+=("$one"); fi
    done
  fi
  local peer
  for peer in "${peers[@]}"; do
    [ -z "$(valid_peer "$peer")" ] || die "$peer: $(valid_peer "$peer")" "$peer: $(valid_peer "$peer")"
  done
  ask_web
}

# Where the web page listens, and how it is protected there. Beyond this server people sign in.
ask_web() {
  local answer='' file
  if [ "$yes" = 0 ] && [ -z "$http_listen" ]; then
    http_listen=127.0.0.1:8080
    t "Trang web mặc định chỉ mở được trên chính máy chủ này." "The web page answers on this server alone."
    printf '%s' "$(t "Mở cho mạng nội bộ, có đăng nhập? [c/K] " "Open it to the network, with sign-in? [y/N] ")"
    read -r answer || answer=
    case $answer in [cCyY]*) http_listen=0.0.0.0:8080 ;; esac
  fi
  ask http_listen valid_listen 127.0.0.1:8080 "Địa chỉ trang web" "Address of the web page"
  if ! is_local && [ "$yes" = 0 ]; then ask_tls; fi
  for file in "$tls_certificate" "$tls_key"; do
    [ -z "$file" ] || [ -r "$file" ] || die "không đọc được $file" "$file cannot be read"
  done
  [ -z "$tls_certificate$tls_key" ] || { [ -n "$tls_certificate" ] && [ -n "$tls_key" ]; } || \
    die "--tls-certificate và --tls-key phải đi cùng nhau" "--tls-certificate and --tls-key belong together"
  is_local || [ -n "$tls_certificate" ] || [ "$unencrypted_web" = 1 ] || \
    die "trang web mở cho mạng cần --tls-certificate và --tls-key, hoặc --unencrypted-web nếu chấp nhận không mã hóa" \
      "a web page that is open to the network needs --tls-certificate and --tls-key, or --unencrypted-web"
  if [ -n "$administrator" ] || { ! is_local && [ ! -e "$data_dir/accounts.json" ]; }; then
    [ "$yes" = 0 ] || [ -n "$administrator" ] || \
      die "trang web mở cho mạng cần --administrator TÊN" "a web page that is open to the network needs --administrator NAME"
    ask administrator valid_account admin "Tên tài khoản quản trị" "Name of the administrator's account"
  fi
}

# Whether nobody has to sign in for the address of the web page: it is this machine's own, or that was given up.
is_local() { [ "$insecure_web" = 1 ] || [[ $http_listen =~ ^(127\.|\[::1\]) ]]; }

ask_tls() {
  local answer=
  if [ -n "$tls_certificate" ] || [ "$unencrypted_web" = 1 ]; then return; fi
  printf '%s' "$(t "Tệp chứng thư HTTPS (PEM), trống nếu chưa có: " "File of the HTTPS certificate (PEM), empty if there is none: ")"
  read -r tls_certificate || tls_certificate=
  if [ -n "$tls_certificate" ]; then
    printf '%s' "$(t "Tệp khóa riêng (PEM): " "File of its private key (PEM): ")"
    read -r tls_key || tls_key=
    return
  fi
  t "Không có chứng thư thì mật khẩu và ảnh đi trong mạng không được mã hóa." \
    "Without a certificate passwords and images can be read on the network."
  printf '%s' "$(t "Gõ nguyên văn I accept để đồng ý, hoặc ấn Enter để không mở: " "Type I accept to go on, or press Enter to keep the page closed: ")"
  read -r answer || answer=
  if [ "$answer" = "I accept" ]; then unencrypted_web=1; else http_listen=127.0.0.1:8080; fi
}

valid_account() {
  [[ $1 =~ ^[a-z0-9._-]{1,64}$ ]] || t "Chỉ gồm a-z, 0-9 và . _ -" "Only a-z, 0-9 and . _ -"
}

# Makes the account of the administrator; without it a page beyond this machine has nobody to let in, and check-config
# says so. The password never stands in an argument.
first_account() { # folder, configuration
  local password=${INSTALL_ADMINISTRATOR_PASSWORD:-} turn
  if [ -z "$administrator" ]; then return; fi
  if as_service "$1" "$2" account list </dev/null 2>/dev/null | grep -q "^${administrator//./\\.} "; then
    t "Tài khoản $administrator đã có; mật khẩu giữ nguyên." "There is an account $administrator already; its password stays."
    return
  fi
  for turn in 1 2 3; do
    if [ -z "$password" ]; then ask_password; fi
    printf '%s\n' "$password" | as_service "$1" "$2" account add "$administrator" --role administrator --password-stdin && return
    if [ "$yes" = 1 ]; then break; fi
    password=
  done
  die "chưa tạo được tài khoản; hãy chạy lại" "the account was not made; run this again"
}

ask_password() {
  local again
  if [ "$yes" = 1 ]; then
    read -r password && return
    die "thiếu mật khẩu: INSTALL_ADMINISTRATOR_PASSWORD hoặc dòng đầu của stdin" \
      "there is no password: INSTALL_ADMINISTRATOR_PASSWORD or the first line of standard input"
  fi
  while :; do
    read -r -s -p "$(t "Mật khẩu của $administrator: " "Password of $administrator: ")" password || die "không có mật khẩu" "no password"
    echo
    read -r -s -p "$(t "Nhập lại: " "Again: ")" again || die "không có mật khẩu" "no password"
    echo
    if [ -n "$password" ] && [ "$password" = "$again" ]; then return; fi
    t "Hai lần nhập không giống nhau." "The two passwords differ."
  done
}
