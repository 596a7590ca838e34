/*
 * The device on an ATmega328P, 16 MHz, 115200 baud: pins, UART, watchdog, entropy. The logic is in estop_core.c.
 *
 * One interrupt: a received byte goes into a ring. Everything else, time included, is polled by the main loop, whose
 * longest round is far below a millisecond; the hardware watchdog ends a round of more than 60 ms with a reset, and a
 * reset opens the relays because its pins float and are pulled down outside.
 */
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/wdt.h>
#include <util/delay.h>

#include "estop_core.h"

#if F_CPU != 16000000UL
#error "the timer and the baud rate below are for 16 MHz"
#endif

/* With U2X and 16: 117647 baud, 2.1 % fast; without it the best is 111111, 3.5 % slow. A 14.7456 or 18.432 MHz
 * crystal would be exact. */
#define UBRR_115200 16U

/* Port B: relay coils (high: energised), enabling switch. */
#define RELAY_1 0x01U
#define RELAY_2 0x02U
#define ENABLE_MIDDLE 0x04U
#define ENABLE_PANICKED 0x08U
/* Port C: supplies of the two loops (high: on). */
#define SUPPLY_A 0x01U
#define SUPPLY_B 0x02U
/* Port D: read-back (normally-closed contact to ground: low means off), loops, reset button, key. */
#define READ_BACK_1 0x04U
#define READ_BACK_2 0x08U
#define LOOP_A 0x10U
#define LOOP_B 0x20U
#define RESET_BUTTON 0x40U
#define KEY_AUTO 0x80U

#define COUNTS_PER_MS 250U /* 16 MHz / 64 */
#define PULSE_US 100U
#define RING_SIZE 64U /* a power of two; 5.5 ms of line */
#define BOOT_SLOTS 8U /* wear: 8 x 100,000 boots */
#define ADC_ROUNDS 32U
#define ADC_PATIENCE 2000U

static volatile uint8_t ring[RING_SIZE];
static volatile uint8_t ring_head; /* written by the interrupt only */
static volatile uint8_t ring_tail; /* written by the main loop only */

void before_main(void) __attribute__((naked, used, section(".init3")));

/* Before any variable is set up: relays driven off, and a watchdog that survived the reset given its usual time. */
void before_main(void)
{
    PORTB = 0U;
    DDRB = RELAY_1 | RELAY_2;
    MCUSR = 0U;
    wdt_enable(WDTO_60MS);
}

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0;
    uint8_t next = (uint8_t)((ring_head + 1U) & (RING_SIZE - 1U));

    if (next != ring_tail) {
        ring[ring_head] = byte;
        ring_head = next;
    } /* else the byte is lost, and the CRC of its frame fails */
}

static void setup(void)
{
    PORTB = ENABLE_MIDDLE | ENABLE_PANICKED; /* pull-ups; the relays stay off */
    PORTC = SUPPLY_A | SUPPLY_B;
    DDRC = SUPPLY_A | SUPPLY_B;
    PORTD = READ_BACK_1 | READ_BACK_2 | RESET_BUTTON | KEY_AUTO; /* the loops are pulled down outside */
    DDRD = 0x02U;
    TCCR1A = 0U;
    TCCR1B = (uint8_t)(_BV(CS11) | _BV(CS10));
    UCSR0A = _BV(U2X0);
    UBRR0H = 0U;
    UBRR0L = UBRR_115200;
    UCSR0C = (uint8_t)(_BV(UCSZ01) | _BV(UCSZ00));
    UCSR0B = (uint8_t)(_BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0));
}

/* Milliseconds since the start. To be called more often than the timer wraps, 262 ms; the watchdog sees to that. */
static uint32_t clock_ms(void)
{
    static uint32_t now_ms;
    static uint16_t counted;
    uint16_t whole = (uint16_t)((uint16_t)(TCNT1 - counted) / COUNTS_PER_MS);

    counted = (uint16_t)(counted + (uint16_t)(whole * COUNTS_PER_MS));
    now_ms += whole;
    return now_ms;
}

/* Number of this boot, from EEPROM: no number is used twice, whatever the noise. */
static uint32_t count_boot(void)
{
    uint32_t newest = 0UL;
    uint8_t slot;

    for (slot = 0U; slot < BOOT_SLOTS; slot++) {
        uint32_t value = eeprom_read_dword((const uint32_t *)(uint16_t)(slot * 4U));

        if ((value != 0xFFFFFFFFUL) && (value > newest)) {
            newest = value;
        }
    }
    newest++;
    wdt_reset();
    eeprom_write_dword((uint32_t *)(uint16_t)((newest % BOOT_SLOTS) * 4U), newest);
    wdt_reset();
    return newest;
}

/* The lowest bits of the temperature sensor: little entropy, and no more is claimed. */
static uint32_t noise(void)
{
    uint32_t bits = 0UL;
    uint8_t round;

    ADMUX = (uint8_t)(_BV(REFS1) | _BV(REFS0) | _BV(MUX3));
    ADCSRA = (uint8_t)(_BV(ADEN) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0));
    for (round = 0U; round < ADC_ROUNDS; round++) {
        uint16_t patience = ADC_PATIENCE;

        ADCSRA |= _BV(ADSC);
        while (((ADCSRA & _BV(ADSC)) != 0U) && (patience > 0U)) {
            patience--;
        }
        bits = ((bits << 1) | (bits >> 31)) ^ (uint32_t)ADC;
        wdt_reset();
    }
    ADCSRA = 0U;
    return bits;
}

/* Spreads neighbouring numbers over all 32 bits (the finaliser of MurmurHash3, which maps one to one). */
static uint32_t spread(uint32_t value)
{
    value ^= value >> 16;
    value *= 0x85EBCA6BUL;
    value ^= value >> 13;
    value *= 0xC2B2AE35UL;
    value ^= value >> 16;
    return value;
}

static void sample_board(estop_inputs_t *sample)
{
    uint8_t b = PINB;
    uint8_t d = PIND;

    sample->channel_a_closed = flag((d & LOOP_A) != 0U);
    sample->channel_b_closed = flag((d & LOOP_B) != 0U);
    sample->reset_closed = flag((d & RESET_BUTTON) == 0U);
    sample->key_auto_closed = flag((d & KEY_AUTO) == 0U);
    sample->enable_middle_closed = flag((b & ENABLE_MIDDLE) == 0U);
    sample->enable_panicked_closed = flag((b & ENABLE_PANICKED) == 0U);
    sample->relay_1_on = flag((d & READ_BACK_1) != 0U);
    sample->relay_2_on = flag((d & READ_BACK_2) != 0U);
}

static void drive_relays(const estop_outputs_t *outputs)
{
    uint8_t b = (uint8_t)(ENABLE_MIDDLE | ENABLE_PANICKED);

    if (outputs->relay_1 == 1U) {
        b |= RELAY_1;
    }
    if (outputs->relay_2 == 1U) {
        b |= RELAY_2;
    }
    PORTB = b;
    DDRB = RELAY_1 | RELAY_2; /* written each time: a disturbed register does not last */
}

/* Takes one loop's supply away for PULSE_US and notes what both inputs read; the next tick judges it. */
static void make_pulse(uint8_t pulse, estop_inputs_t *sample)
{
    uint8_t d;

    sample->pulse_done = pulse;
    sample->pulse_a_low = 0U;
    sample->pulse_b_low = 0U;
    if (pulse == LOOP_PULSE_NONE) {
        return;
    }
    PORTC = (pulse == LOOP_PULSE_A) ? SUPPLY_B : SUPPLY_A;
    _delay_us(PULSE_US);
    d = PIND;
    PORTC = SUPPLY_A | SUPPLY_B;
    sample->pulse_a_low = flag((d & LOOP_A) == 0U);
    sample->pulse_b_low = flag((d & LOOP_B) == 0U);
}

static void receive_all(uint32_t now_ms)
{
    uint8_t i;

    for (i = 0U; (i < RING_SIZE) && (ring_tail != ring_head); i++) {
        uint8_t byte = ring[ring_tail];

        ring_tail = (uint8_t)((ring_tail + 1U) & (RING_SIZE - 1U));
        estop_receive(byte, now_ms);
    }
}

/* Feeds the UART without waiting for it. */
static void transmit(void)
{
    static uint8_t frame[FRAME_LENGTH];
    static uint8_t length;
    static uint8_t sent;

    if (sent == length) {
        length = estop_transmit(frame);
        sent = 0U;
    }
    if ((sent < length) && ((UCSR0A & _BV(UDRE0)) != 0U)) {
        UDR0 = frame[sent];
        sent++;
    }
}

int main(void)
{
    static estop_inputs_t sample;
    static estop_outputs_t outputs;
    uint32_t ticked_ms;

    setup();
    estop_init(&ESTOP_CONFIG, spread(count_boot()) ^ noise());
    sei();
    ticked_ms = clock_ms();
    for (;;) {
        uint32_t now_ms = clock_ms();

        receive_all(now_ms);
        if (now_ms != ticked_ms) {
            ticked_ms = now_ms;
            sample_board(&sample);
            estop_tick(&sample, now_ms, &outputs);
            drive_relays(&outputs);
            make_pulse(outputs.test_pulse, &sample);
            wdt_reset(); /* here only: a loop without ticks is as dead as none */
        }
        transmit();
    }
}
