/*
 * Configuration of this device. The configuration signature is the first four bytes, read big-endian, of the
 * SHA-256 of the ASCII text between the quotes below, without a newline:
 *
 * "estop/1 host=1 device=2 status_ms=20 checkin_ms=20 watchdog_ms=100 discrepancy_ms=100 echo_lag=5 reset_ms=100..3000 rearm_ms=1000 relay_delay_ms=300 relay_effect=sto"
 *
 * Both ends must hold the same text: a frame of a peer with another one fails its CRC. Do not edit by hand; write it
 * with `safety-supervisor estop firmware-header --config FILE`.
 */
#ifndef ESTOP_CONFIG_H
#define ESTOP_CONFIG_H

#define ESTOP_CONFIG_SIGNATURE 0x9F13A554UL
#define ESTOP_HOST_ID 1U
#define ESTOP_DEVICE_ID 2U
#define ESTOP_STATUS_MS 20U
#define ESTOP_CHECKIN_MS 20U
#define ESTOP_WATCHDOG_MS 100U
#define ESTOP_DISCREPANCY_MS 100U
#define ESTOP_ECHO_LAG 5U
#define ESTOP_RESET_MIN_MS 100U
#define ESTOP_RESET_MAX_MS 3000U
#define ESTOP_REARM_MS 1000U
#define ESTOP_RELAY_DELAY_MS 300U
#define ESTOP_RELAY_EFFECT_STO 1
#define ESTOP_RELAY_EFFECT_DAMPING 0

#endif
