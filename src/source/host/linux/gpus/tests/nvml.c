/* Stands in for NVIDIA's library. What it says is in the file STATE, read again for each call: the result of the
   initialisation, and a line for each card: address, result of every call, busy %, bytes used and in all, power in mW,
   °C, MHz, reasons of throttling, 1 if it is divided. A number below 0 is not supported. STATE.log tells what was
   called. */
#include <stdio.h>
#include <string.h>

enum { BUSY, USED, TOTAL, POWER, CELSIUS, CLOCK, REASONS, DIVIDED, COUNT };
enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6 };

static int started(void) {
    int result = 999;
    FILE *state = fopen(STATE, "r");
    if (state) {
        if (fscanf(state, "%d", &result) != 1) result = 999;
        fclose(state);
    }
    return result;
}

static void note(const char *what) {
    FILE *log = fopen(STATE ".log", "a");
    if (log) {
        fprintf(log, "%s\n", what);
        fclose(log);
    }
}

/* A card is its line, from 1. */
static int find(long wanted, const char *address, long long values[COUNT]) {
    int ignored, result;
    long line = 0, found = 0;
    char at[64];
    FILE *state = fopen(STATE, "r");
    if (!state) return 0;
    if (fscanf(state, "%d", &ignored) == 1) {
        while (!found && fscanf(state, "%63s %d", at, &result) == 2) {
            line++;
            for (int i = 0; i < COUNT; i++)
                if (fscanf(state, "%lld", &values[i]) != 1) values[i] = -1;
            if (address ? !strcmp(address, at) : line == wanted) found = line;
        }
    }
    fclose(state);
    return found ? (address ? (result ? -result : found) : -result) : -NOT_FOUND;
}

int nvmlInit_v2(void) {
    note("init");
    return started();
}

int nvmlShutdown(void) {
    note("shutdown");
    return SUCCESS;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **card) {
    long long values[COUNT];
    int found = find(0, address, values);
    if (found <= 0) return -found;
    *card = (void *)(long)found;
    return SUCCESS;
}

static int get(void *card, int which, long long *value) {
    long long values[COUNT];
    int found = find((long)card, NULL, values);
    if (found < 0) return -found;
    *value = values[which];
    return *value < 0 ? NOT_SUPPORTED : SUCCESS;
}

static int get_number(void *card, int which, unsigned *number) {
    long long value;
    int result = get(card, which, &value);
    if (!result) *number = (unsigned)value;
    return result;
}

int nvmlDeviceGetUtilizationRates(void *card, unsigned rates[2]) {
    rates[1] = 0;
    return get_number(card, BUSY, &rates[0]);
}

struct memory {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

int nvmlDeviceGetMemoryInfo_v2(void *card, struct memory *memory) {
    long long used, total;
    int result = get(card, USED, &used);
    if (!result) result = get(card, TOTAL, &total);
    if (!result) {
        memory->used = (unsigned long long)used;
        memory->total = (unsigned long long)total;
    }
    return result;
}

int nvmlDeviceGetPowerUsage(void *card, unsigned *milliwatts) { return get_number(card, POWER, milliwatts); }

int nvmlDeviceGetTemperature(void *card, int sensor, unsigned *celsius) {
    return sensor ? NOT_SUPPORTED : get_number(card, CELSIUS, celsius);
}

int nvmlDeviceGetClockInfo(void *card, int clock, unsigned *megahertz) {
    return clock ? NOT_SUPPORTED : get_number(card, CLOCK, megahertz);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *card, unsigned long long *reasons) {
    long long value;
    int result = get(card, REASONS, &value);
    if (!result) *reasons = (unsigned long long)value;
    return result;
}

int nvmlDeviceGetMigMode(void *card, unsigned *current, unsigned *pending) {
    *pending = 0;
    return get_number(card, DIVIDED, current);
}
