#!/usr/bin/env bash
# Installs what the tests want, where that can be done, and tells what is missing where it can't.
# The tests skip what is still missing; nothing here fails.
set -u

declare -A packages=(
    [gcc]=gcc [g++]=g++ [make]=make [nm]=binutils [readelf]=binutils [valgrind]=valgrind
    [pkg-config]=pkg-config [mpirun]=openmpi-bin [mpicc]=libopenmpi-dev
)

has_libunwind() {
    { ldconfig -p || /sbin/ldconfig -p; } 2> /dev/null | grep -q 'libunwind\.so\.8 '
}

# The software driver, its loader, the layer that checks, and the headers and the link that a program of its own wants.
vulkan_missing() {
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' > /dev/null || echo mesa-vulkan-drivers
    { ldconfig -p || /sbin/ldconfig -p; } 2> /dev/null | grep -q 'libvulkan\.so\.1 ' || echo libvulkan1
    [ -e /usr/include/vulkan/vulkan.h ] || echo libvulkan-dev
    compgen -G '/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json' > /dev/null ||
        echo vulkan-validationlayers
}

# The modules that python3 -m venv makes environments with, which Debian keeps apart.
has_venv() {
    python3 -c 'import ensurepip, venv' 2> /dev/null
}

missing() {
    for tool in "${!packages[@]}"; do
        command -v "$tool" > /dev/null || echo "${packages[$tool]}"
    done
    [ "$(uname -s)" != Linux ] || has_libunwind || echo libunwind8
    [ "$(uname -s)" != Linux ] || vulkan_missing
    has_venv || echo python3-venv
}

wanted=$(missing | sort -u)
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # One by one, so that one that isn't to be had keeps no other away.
    apt-get update -qq > /dev/null 2>&1
    for package in $wanted; do
        apt-get install -y -qq --no-install-recommends "$package" > /dev/null 2>&1 ||
            echo "could not install $package"
    done
    wanted=$(missing | sort -u)
fi

[ -z "$wanted" ] || echo "missing, so that some tests can't run:" $wanted
exit 0
