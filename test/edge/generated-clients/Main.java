// Posts purchases with the client that is generated for Java, and prints what it reads of them.
import java.util.Locale;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.PurchasesApi;
import org.openapitools.client.api.RejectedApi;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.model.Account;
import org.openapitools.client.model.PostedPurchase;
import org.openapitools.client.model.PurchaseReceipt;
import org.openapitools.client.model.PurchaseRequest;

public final class Main {
  private final ApiClient client = new ApiClient();
  private final UsersApi users = new UsersApi(client);
  private final String user;

  private Main(String url, String user) {
    client.setBasePath(url);
    this.user = user;
  }

  private void post(String id, Double value, Integer quantity, Double total, String prefer) throws ApiException {
    PurchaseRequest purchase = new PurchaseRequest().userId(user).purchaseId(id).productName("Lamp").productType("Office");
    purchase.value(value).quantity(quantity).total(total);
    PostedPurchase posted = new PurchasesApi(client).postPurchase(purchase, prefer, null);
    PurchaseReceipt receipt = users.readReceipt(user, id, null, null);
    Long sequence = receipt.getLedgerSequence();
    boolean isSame = posted.getValue().equals(value) && receipt.getValue().equals(value) && receipt.getTotal().equals(total);
    System.out.printf(Locale.ROOT, "%s is %s: %.2f x %d = %.2f, then %.2f; same %b; sequence %d%n", id, posted.getStatus(),
        receipt.getValue(), receipt.getQuantity(), receipt.getTotal(), receipt.getRunningTotal(), isSame, sequence);
  }

  private void run() throws ApiException {
    post("small", 0.01, 1, 0.01, "wait=0");
    post("large", 999999.99, 1, 999999.99, "wait=30");
    post("largest", 1000000.00, 10000, 10000000000.00, "wait=30");
    Account account = users.readTotal(user, null, null, null);
    Long count = account.getPurchaseCount();
    System.out.printf(Locale.ROOT, "total: %.2f of %d%n", account.getTotal(), count);
    try {
      new RejectedApi(client).readRejected(999999999999999L, 499);
    } catch (ApiException refused) {
      System.out.printf("rejected: %d%n", refused.getCode());
    }
  }

  public static void main(String[] arguments) throws ApiException {
    new Main(arguments[0], arguments[1]).run();
    // The client's connections keep the process alive for minutes.
    System.exit(0);
  }
}
