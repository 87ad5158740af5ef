/* address.c -- the IANA special-purpose registries as a table. */
#include "runtime/hooks/address.h"

#include "runtime/base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define IP(a, b, c, d) (((uint32_t)(a) << 24) | ((uint32_t)(b) << 16) | ((uint32_t)(c) << 8) | (d))

static const struct {
    uint32_t network;
    int bits;
} special4[] = {
    {IP(0, 0, 0, 0), 8},      {IP(10, 0, 0, 0), 8},     {IP(100, 64, 0, 0), 10},
    {IP(127, 0, 0, 0), 8},    {IP(169, 254, 0, 0), 16}, {IP(172, 16, 0, 0), 12},
    {IP(192, 0, 0, 0), 24},   {IP(192, 0, 2, 0), 24},   {IP(192, 88, 99, 0), 24},
    {IP(192, 168, 0, 0), 16}, {IP(198, 18, 0, 0), 15},  {IP(198, 51, 100, 0), 24},
    {IP(203, 0, 113, 0), 24}, {IP(224, 0, 0, 0), 4},    {IP(240, 0, 0, 0), 4},
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < RV_COUNT(special4); i++) {
        uint32_t mask = ~UINT32_C(0) << (32 - special4[i].bits);
        if ((address & mask) == special4[i].network) {
            return false;
        }
    }
    return true;
}

static uint32_t inner4(const uint8_t *bytes)
{
    return IP(bytes[0], bytes[1], bytes[2], bytes[3]);
}

static bool is_public6(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(bytes, mapped, sizeof mapped) == 0 || memcmp(bytes, nat64, sizeof nat64) == 0) {
        return is_public4(inner4(bytes + 12));
    }
    if ((bytes[0] & 0xe0) != 0x20) { /* only 2000::/3 is global unicast */
        return false;
    }
    if (bytes[0] == 0x20 && bytes[1] == 0x01 && (bytes[2] & 0xfe) == 0) {
        return false; /* 2001::/23: Teredo, ORCHID, benchmarking */
    }
    if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8) {
        return false; /* documentation */
    }
    if (bytes[0] == 0x3f && bytes[1] == 0xff && (bytes[2] & 0xf0) == 0) {
        return false; /* 3fff::/20: documentation */
    }
    if (bytes[0] == 0x20 && bytes[1] == 0x02) { /* 6to4 carries an IPv4 address */
        return is_public4(inner4(bytes + 2));
    }
    return true;
}

bool rv_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof four);
        return is_public4(ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof six);
        return is_public6(six.sin6_addr.s6_addr);
    }
    return false;
}
