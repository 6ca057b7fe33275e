/**
 * Meter events. A meter event reports usage of a customer.
 * @see https://docs.stripe.com/api/billing/meter-event/object
 */
/** The stored row of a meter event. The stored row of a meter event has an ID that the API does not return. */
export interface MeterEvent {
  id: string;
  object: "billing.meter_event";
  created: number;
  event_name: string;
  identifier: string;
  livemode: false;
  payload: Record<string, string>;
  timestamp: number;
}
