// "punctual/testing": what users' own tests need.
export { VirtualClock } from "./virtual-clock.ts";
